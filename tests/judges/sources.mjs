// The browser's own EventSource and fetch as judges.
export const judge = (task) => KINDS[task.do](task);

const KINDS = {
  // Read the events of a URL to the event that ends it, reconnecting as the browser does.
  source: ({ url, until, leave = Infinity }) =>
    new Promise((resolve) => {
      const source = new EventSource(url);
      const events = [];
      let errors = 0;
      const end = (why) => {
        source.close();
        resolve({ events, errors, why });
      };
      const hear = (event) => {
        if (event.type === "error" && event.data === undefined) {
          errors += 1;
          if (source.readyState === EventSource.CLOSED) end("closed");
          return;
        }
        events.push({ type: event.type, data: event.data, id: event.lastEventId });
        if (event.type === until || event.data === until) end("until");
        else if (events.length >= leave) end("left");
      };
      for (const type of ["message", "error", "message_start", "content_block_start", "content_block_delta",
        "content_block_stop", "message_delta", "message_stop", "ping"]) source.addEventListener(type, hear);
    }),
  // A request as a page makes it: the status, the readable headers and the text, or that the browser forbade it.
  fetch: async ({ url, headers = {}, method = "GET", body }) => {
    try {
      const answer = await fetch(url, { method, headers, body });
      return { status: answer.status, headers: Object.fromEntries(answer.headers), text: await answer.text() };
    } catch (error) {
      return { forbidden: String(error) };
    }
  },
};

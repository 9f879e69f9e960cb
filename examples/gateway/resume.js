// Ask the gateway for a stream and read it to its end, however often the connection is cut: no event is lost or comes twice.

export async function* resumed({ url, path = "/v1/messages", token, body, signal, onCut = () => {} }) {
  const authorization = { authorization: `Bearer ${token}` };
  const headers = { ...authorization, "content-type": "application/json", "unbroken-resume": "1" };
  let answer = await fetch(url + path, { method: "POST", headers, body: JSON.stringify(body), signal });
  if (!answer.ok) throw new Error(await answer.text());
  const stream = `${url}/v1/streams/${answer.headers.get("unbroken-stream")}`;
  let cursor = `${answer.headers.get("unbroken-stream")}.0`;
  for (;;) {
    try {
      for await (const event of events(answer.body)) {
        cursor = event.id ?? cursor;
        yield event;
        if (isLast(event)) return;
      }
    } catch (error) {
      if (signal?.aborted) return void fetch(stream, { method: "DELETE", headers: authorization });
    }
    onCut(cursor);
    answer = await again(stream, { ...authorization, "last-event-id": cursor }, signal);
    if (answer.status === 204) return; // the cursor is at the end of the stream
  }
}

// Ask for the rest until there is an answer. What is not to be had again, such as after the time to live, is an error.
async function again(stream, headers, signal) {
  for (let seconds = 0.1; ; seconds = Math.min(2 * seconds, 10)) {
    try {
      const answer = await fetch(stream, { headers, signal });
      if (answer.ok) return answer;
      if (answer.status < 500 && answer.status !== 429) throw new Refused(await answer.text());
    } catch (error) {
      if (error instanceof Refused || signal?.aborted) throw error;
    }
    await new Promise((done) => setTimeout(done, 1000 * seconds));
  }
}

class Refused extends Error {}

// A stream without one of these was cut: it never just ends.
const isLast = ({ type, data }) =>
  type === "message_stop" || type === "error" || data === "[DONE]" || (type === "message" && "error" in JSON.parse(data));

// The events of a body. An event of which only a part has come is dropped: it comes again.
async function* events(body) {
  let text = "";
  for await (const piece of pieces(body.pipeThrough(new TextDecoderStream()))) {
    const blocks = (text + piece).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: ?(.*)/s, 2)));
      yield { type: fields.event ?? "message", data: fields.data, id: fields.id };
    }
  }
}

async function* pieces(stream) {
  const reader = stream.getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value;
}

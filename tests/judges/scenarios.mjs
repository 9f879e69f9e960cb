// The official SDKs for JavaScript as judges, in Node and in browsers; the tasks and answers are those of python.py.
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const TOOL = { name: "get_time", description: "Tell the time" };
const SCHEMA = { type: "object", properties: {} };

export async function judge(task) {
  const messages = task.sdk === "anthropic";
  const client = new (messages ? Anthropic : OpenAI)({
    baseURL: messages ? task.url : `${task.url}/v1`,
    apiKey: task.key,
    maxRetries: task.retries ?? 0,
    timeout: 30_000,
    defaultHeaders: task.headers ?? {},
    dangerouslyAllowBrowser: true,
  });
  try {
    return await SCENARIOS[task.sdk][task.do](client, task);
  } catch (error) {
    return { error: told(error) };
  }
}

function ask(task) {
  const messages = [{ role: "user", content: task.prompt ?? "Hello" }];
  return task.sdk === "anthropic"
    ? { model: task.model, messages, max_tokens: 100 }
    : { model: task.model, messages };
}

function told(error) {
  const body = error.error ?? {};
  const inner = body.error ?? body;
  return {
    class: error.constructor.name,
    status: error.status ?? null,
    type: inner.type ?? null,
    code: inner.code ?? null,
    message: inner.message ?? error.message,
    cause: String(error.cause ?? ""),
    request_id: body.request_id ?? error.requestID ?? null,
    should_retry: error.headers?.get("x-should-retry") ?? null,
    retry_after: error.headers?.get("retry-after") ?? null,
  };
}

const message = (said, request_id) => ({
  text: said.content.filter((block) => block.type === "text").map((block) => block.text).join(""),
  tools: said.content.filter((block) => block.type === "tool_use").map((block) => [block.name, block.input]),
  stop: said.stop_reason,
  usage: [said.usage.input_tokens, said.usage.output_tokens],
  request_id: request_id ?? said._request_id,
});

const completion = (said, request_id) => ({
  text: said.choices[0].message.content ?? "",
  tools: (said.choices[0].message.tool_calls ?? []).map((call) => [call.function.name, call.function.arguments]),
  stop: said.choices[0].finish_reason,
  usage: said.usage ? [said.usage.prompt_tokens, said.usage.completion_tokens] : null,
  request_id: request_id ?? said._request_id ?? null,
});

const response = (said) => ({
  text: said.output_text,
  tools: said.output.filter((item) => item.type === "function_call").map((call) => [call.name, call.arguments]),
  stop: said.status,
  usage: [said.usage.input_tokens, said.usage.output_tokens],
  request_id: said._request_id ?? null,
});

const askResponse = (task) => ({ model: task.model, input: task.prompt ?? "Hello" });

async function all(iterable) {
  const found = [];
  for await (const each of iterable) found.push(each);
  return found;
}

const models = async (client) => ({ models: (await all(client.models.list())).map((model) => model.id) });

const SCENARIOS = {
  anthropic: {
    plain: async (client, task) => message(await client.messages.create(ask(task))),
    stream: async (client, task) => {
      const stream = client.messages.stream(ask(task));
      let pieces = "";
      stream.on("text", (piece) => (pieces += piece));
      const said = await stream.finalMessage();
      return { ...message(said, stream.request_id), pieces };
    },
    raw: async (client, task) => {
      const events = await all(await client.messages.create({ ...ask(task), stream: true }));
      return { kinds: events.map((event) => event.type) };
    },
    tools: async (client, task) =>
      message(await client.messages.stream({ ...ask(task), tools: [{ ...TOOL, input_schema: SCHEMA }] }).finalMessage()),
    count_tokens: async (client, task) => {
      const { max_tokens, ...rest } = ask(task);
      return { tokens: (await client.messages.countTokens(rest)).input_tokens };
    },
    models,
  },
  openai: {
    plain: async (client, task) => completion(await client.chat.completions.create(ask(task))),
    stream: async (client, task) => {
      const stream = client.chat.completions.stream({ ...ask(task), stream_options: { include_usage: true } });
      let pieces = "";
      stream.on("content", (piece) => (pieces += piece));
      return { ...completion(await stream.finalChatCompletion()), pieces };
    },
    raw: async (client, task) => {
      const chunks = await all(await client.chat.completions.create({ ...ask(task), stream: true }));
      const choices = chunks.filter((chunk) => chunk.choices.length).map((chunk) => chunk.choices[0]);
      return {
        text: choices.map((choice) => choice.delta.content ?? "").join(""),
        stop: choices.find((choice) => choice.finish_reason)?.finish_reason ?? null,
        chunks_without_choices: chunks.length - choices.length,
        counted: chunks.filter((chunk) => chunk.usage).length,
      };
    },
    tools: async (client, task) => {
      const tools = [{ type: "function", function: { ...TOOL, parameters: SCHEMA } }];
      return completion(await client.chat.completions.stream({ ...ask(task), tools }).finalChatCompletion());
    },
    models,
    response: async (client, task) => response(await client.responses.create(askResponse(task))),
    response_stream: async (client, task) => {
      const stream = client.responses.stream(askResponse(task));
      let pieces = "";
      stream.on("response.output_text.delta", (event) => (pieces += event.delta));
      return { ...response(await stream.finalResponse()), pieces };
    },
    response_raw: async (client, task) => {
      const events = await all(await client.responses.create({ ...askResponse(task), stream: true }));
      return { kinds: events.map((event) => event.type), numbers: events.map((event) => event.sequence_number) };
    },
  },
};

"use strict";
// Everything that comes from elsewhere is set as text, never as HTML; the policy of the page would refuse the latter.
const $ = (id) => document.getElementById(id);
const NONE = "–";
let stream = null;
let shown = false;

const seconds = (value) =>
  value == null ? NONE : value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(value < 10 ? 2 : 1)} s`;
const whole = (value) => (value == null ? NONE : value.toLocaleString("en"));
const dollars = (micro) => {
  const digits = micro % 10000 && Math.abs(micro) < 1e6 ? 4 : 2;
  return `$${(micro / 1e6).toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
};
const clock = (at) => new Date(at * 1000).toISOString().slice(11, 19);
const PERIODS = { 1: "s", 60: "min", 3600: "h", 86400: "day" };
const period = (length) => PERIODS[length] ?? `${length} s`;

function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

function status(state, words) {
  $("status").dataset.state = state;
  text($("status"), words);
}

// A cell is a text, or {text, kind, share}: a class, and how much of a limit is used.
function fillCell(td, cell) {
  const { text: words, kind = "", share = null } = typeof cell === "object" ? cell : { text: cell };
  td.className = `${kind}${words === "" ? " void" : ""}`;
  if (!td.firstChild) td.append(document.createTextNode(""));
  if (td.firstChild.data !== words) td.firstChild.data = words;
  let bar = td.querySelector(".bar");
  if (share === null) return bar?.remove();
  if (!bar) {
    bar = document.createElement("span");
    bar.setAttribute("aria-hidden", "true");
    bar.append(document.createElement("i"));
    td.append(bar);
  }
  bar.className = share >= 1 ? "bar full" : "bar";
  bar.firstChild.style.setProperty("--share", Math.min(1, share));
}

// Rows are kept by their key, so that what is selected stays selected while the numbers change.
function fillTable(id, rows) {
  const table = $(id);
  const labels = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  const body = table.tBodies[0];
  const known = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  rows.forEach(({ key, cells }, place) => {
    const row = known.get(String(key)) ?? document.createElement("tr");
    known.delete(String(key));
    row.dataset.key = key;
    cells.forEach((cell, column) => {
      const td = row.cells[column] ?? row.insertCell();
      td.dataset.label = labels[column];
      fillCell(td, cell);
    });
    if (body.rows[place] !== row) body.insertBefore(row, body.rows[place] ?? null);
  });
  known.forEach((row) => row.remove());
  table.hidden = rows.length === 0;
  table.nextElementSibling.hidden = rows.length > 0;
}

function fillSummary(it) {
  text($("rate"), it.per_second.toFixed(1));
  const most = Math.max(...it.history, 1);
  const bars = it.history.map((count, x) => `M${x} 20v${(-19 * count) / most}h.8V20z`).join("");
  $("history").firstElementChild.setAttribute("d", bars);
  text($("under-way"), whole(it.under_way));
  text($("requests"), `${whole(it.requests)} requests`);
  const ended = Object.values(it.endings).reduce((sum, count) => sum + count, 0);
  const judged = ended - (it.endings.cancelled ?? 0);
  text($("success"), judged ? `${((100 * (it.endings.success ?? 0)) / judged).toFixed(1)} %` : NONE);
  const rest = Object.entries(it.endings).filter(([ending]) => ending !== "success");
  text($("endings"), rest.map(([ending, count]) => `${whole(count)} ${ending}`).join(", ") || `${whole(ended)} calls`);
  for (const [id, times] of [["first", it.first_byte], ["whole", it.duration]]) {
    text($(id), seconds(times.p50));
    text($(`${id}-more`), `p95 ${seconds(times.p95)}, p99 ${seconds(times.p99)}`);
  }
  text($("spent"), dollars(it.micro_usd));
  text($("tokens"), `${whole(it.tokens.input ?? 0)} tokens in, ${whole(it.tokens.output ?? 0)} out`);
  const writing = it.audit_status;
  const trouble = writing.failures ? ` Audit: ${whole(writing.failures)} failed writes, ${whole(writing.dropped)} rows lost.` : "";
  const failed = Object.entries(it.failures).map(([part, count]) => ` Failures of ${part}: ${whole(count)}.`).join("");
  text($("foot"), `Unbroken ${it.version}, up ${seconds(it.uptime)}. Times are UTC.${trouble}${failed}`);
}

function fillPhases(phases) {
  const list = $("phases");
  Object.entries(phases).forEach(([phase, count], place) => {
    let item = list.children[place];
    if (!item) {
      item = list.appendChild(document.createElement("li"));
      item.append(document.createElement("b"), phase);
    }
    item.className = count ? "some" : "";
    text(item.firstChild, whole(count));
  });
}

function limit({ used, limit: most, seconds: length }, show = whole) {
  if (most == null) return show(used);
  return { kind: "limit", text: `${show(used)} of ${show(most)}${length ? ` per ${period(length)}` : ""}`, share: most ? used / most : 1 };
}

function ending(row) {
  const kinds = { success: "good", started: "", cancelled: "warn" };
  return { text: row.error ? `${row.state}: ${row.error}` : row.state, kind: kinds[row.state] ?? "bad" };
}

function tokens(row) {
  if (row.state === "started") return "";
  if (row.input_tokens == null && row.output_tokens == null) return row.estimated_tokens ? `~${whole(row.estimated_tokens)}` : "";
  return whole((row.input_tokens ?? 0) + (row.output_tokens ?? 0));
}

const number = (words) => ({ text: words, kind: "number" });
const identity = (words) => ({ text: words, kind: "id" });

function fill(it) {
  fillSummary(it);
  fillPhases(it.phases);
  fillTable("calls", it.calls.map((call) => ({
    key: call.request_id,
    cells: [{ text: call.phase, kind: "plain" }, call.user, call.model, call.upstream, { text: call.route, kind: "plain" },
      number(whole(call.tokens)), number(call.seconds.toFixed(1)), identity(call.request_id)],
  })));
  fillTable("errors", Object.entries(it.errors).map(([name, count]) => ({ key: name, cells: [name, number(whole(count))] })));
  fillTable("circuits", it.circuits.map(({ circuit, key, states }) => ({
    key: `${circuit} ${key}`,
    cells: [key === "*" ? circuit : key, { text: states.join(", ").replaceAll("_", " "), kind: states.includes("closed") ? "good" : "bad" }],
  })));
  fillTable("users", (it.users ?? []).map((user) => ({
    key: user.user,
    cells: [user.user, user.plan || NONE, limit(user.streams), limit(user.requests), limit(user.tokens), limit(user.budget, dollars)],
  })));
  fillTable("audit", (it.audit ?? []).map((row) => ({
    key: row.id,
    cells: [{ text: clock(row.started_at), kind: "plain" }, ending(row), number(row.status ? String(row.status) : ""), row.user, row.model,
      row.upstream, number(tokens(row)), number(row.micro_usd == null ? "" : (row.micro_usd / 1e6).toFixed(4)),
      number(row.duration == null ? "" : row.duration.toFixed(1)), identity(row.request_id)],
  })));
  fillAlerts(it.alerts);
}

function fillAlerts(alerts) {
  const words = alerts.slice(0, 5).map((it) =>
    `${clock(it.at)} ${it.problem}${it.upstream && ` at ${it.upstream}`}${it.request_id && `, request ${it.request_id}`}`);
  const list = $("alert-list");
  if ([...list.children].map((item) => item.textContent).join("\n") !== words.join("\n")) {
    list.replaceChildren(...words.map((each) => Object.assign(document.createElement("li"), { textContent: each })));
  }
  $("alerts").hidden = words.length === 0;
}

function show(board) {
  if (shown !== board || $("login").hidden === $("board").hidden) {
    $("board").hidden = $("actions").hidden = !board;
    $("login").hidden = board;
    if (!board) $("credential").focus();
  }
  shown = board;
}

function watch() {
  stream?.close();
  stream = new EventSource("/admin/events");
  stream.addEventListener("snapshot", (event) => {
    fill(JSON.parse(event.data));
    show(true);
    if ($("status").dataset.state !== "live") status("live", "Live");
  });
  stream.addEventListener("busy", () => status("lost", "Too many dashboards are open; trying again"));
  stream.onerror = () => {
    if (stream.readyState !== EventSource.CLOSED) {
      if ($("status").dataset.state === "live") status("lost", "The connection is lost; trying again");
      return;
    }
    show(false);
    status("waiting", "Not logged in");
  };
}

async function post(path, body = {}) {
  const request = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(path, request);
  const answer = await response.json();
  if (!response.ok) throw new Error([answer.error, ...(answer.problems ?? [])].join("; "));
  return answer;
}

async function told(action, done) {
  const notice = $("notice");
  text(notice, "");
  try {
    await action();
    notice.className = "good";
    text(notice, done);
  } catch (error) {
    notice.className = "bad";
    text(notice, error.message);
  }
}

$("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await post("/admin/login", { credential: $("credential").value });
    $("credential").value = "";
    text($("refused"), "");
    watch();
    $("main").focus();
  } catch (error) {
    text($("refused"), error.message);
  }
});
$("reload").addEventListener("click", () => told(() => post("/admin/reload"), "The configuration is reloaded"));
$("logout").addEventListener("click", async () => {
  stream.close();
  await told(() => post("/admin/logout"), "");
  show(false);
  status("waiting", "Not logged in");
});
$("revoke").addEventListener("submit", (event) => {
  event.preventDefault();
  const [kind, value, lasting] = ["kind", "value", "seconds"].map((id) => $(id).value);
  told(() => post("/admin/revoke", { kind, value, seconds: Number(lasting) }), `Revoked: ${value}`);
});
watch();

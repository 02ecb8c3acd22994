"use strict";
// Shows a recorded run. What is recorded is hostile: it reaches the page as text (`textContent`), never as markup.
{
  const trace = JSON.parse(document.getElementById("trace").textContent);
  const ROW = 28, DEEPEST = 24, SHOWN = 500;
  const byId = (id) => document.getElementById(id);
  const made = (tag, kind, text) => {
    const element = document.createElement(tag);
    if (kind) element.className = kind;
    if (text !== undefined) element.textContent = text;
    return element;
  };

  // --- the tree, flat and in the order of the tasks' starts below their parents

  const tasks = new Map(trace.tasks.map((task) => [task.task, task]));
  const tops = [];
  for (const task of trace.tasks) {
    const parent = tasks.get(task.parent);
    (parent ? parent.children : tops).push(task);
  }
  const order = [];
  for (const waiting = tops.map((task) => [task, 0]).reverse(); waiting.length > 0;) {
    const [task, depth] = waiting.pop();
    task.depth = depth;
    order.push(task);
    for (let i = task.children.length - 1; i >= 0; i--) waiting.push([task.children[i], depth + 1]);
  }
  const started = trace.run.started;
  const endOf = (at, duration) => at + (duration ?? 0);
  const ended = (of) => of.ended ?? (of.duration === null ? null : of.started + of.duration);
  let last = endOf(started, trace.run.duration);
  for (const task of order) {
    last = Math.max(last, ended(task) ?? 0);
    for (const attempt of task.attempts) last = Math.max(last, ended(attempt) ?? 0);
    for (const refusal of task.refusals) last = Math.max(last, refusal.at);
    for (const request of task.requests) last = Math.max(last, endOf(request.at, request.duration));
  }
  const whole = { from: started, to: Math.max(last, started + 1e-6) };

  // --- words

  const seconds = (value) => {
    if (value === null || value === undefined) return "…";
    if (value < 0.001) return `${Math.round(value * 1e6)} µs`;
    if (value < 1) return `${(value * 1000).toPrecision(3)} ms`;
    if (value < 120) return `${value.toPrecision(3)} s`;
    if (value < 7200) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
    return `${Math.floor(value / 3600)} h ${Math.round((value % 3600) / 60)} min`;
  };
  const UNITS = ["", "k", "M", "G", "T", "P"];
  const amount = (value) => {
    if (value === null || value === undefined) return "…";
    let unit = 0;
    while (value >= 1000 && unit < UNITS.length - 1) { value /= 1000; unit++; }
    return `${unit ? value.toPrecision(3) : value} ${UNITS[unit]}`.trim();
  };
  const moment = (at) => `+${seconds(Math.max(0, at - started))}`;
  const sum = (of) => order.reduce((total, task) => total + of(task), 0);

  // --- the page's head

  const run = trace.run;
  byId("state").textContent = run.state;
  byId("state").classList.add(run.state);
  byId("what").textContent = run.task;
  byId("where").textContent =
    `${run.source} · ${new Date(started * 1000).toLocaleString()} · process ${run.pid} · run ${run.id} · ${run.arguments}`;
  const figure = (name, value, bad) => {
    const box = made("div", bad ? "bad" : "");
    box.append(made("dt", "", name), made("dd", "", value));
    byId("figures").append(box);
  };
  const failures = order.filter((task) => task.state === "failed").length;
  const refusals = sum((task) => task.refusal_count), requests = sum((task) => task.request_count);
  figure("Duration", seconds(run.duration));
  figure("Tasks", order.length.toLocaleString());
  figure("Failed", failures.toLocaleString(), failures > 0);
  figure("Denied", refusals.toLocaleString(), refusals > 0);
  figure("Requests", requests.toLocaleString());
  figure("Fuel", amount(sum((task) => task.fuel ?? 0)));
  if (run.dropped) figure("Not recorded", `${run.dropped.toLocaleString()} events`, true);

  // --- what is shown: folds, search, filters

  const FILTERS = {
    failed: ["Failed", (task) => task.state === "failed" || task.state === "cancelled"],
    denied: ["Denied", (task) => task.refusal_count > 0],
    requests: ["Requests", (task) => task.request_count > 0],
    again: ["Tried again", (task) => task.attempt_count > 1],
  };
  const folded = new Set(), chosenFilters = new Set();
  let words = "", visible = [], chosen = null, view = { ...whole };
  const textOf = (task) => {
    task.text ??= [
      task.name, `#${task.task}`, task.state, task.error_type, task.message, task.policy,
      ...task.attempts.flatMap((attempt) => [attempt.error_type, attempt.message, attempt.traceback]),
      ...task.refusals.flatMap((refusal) => [refusal.rule, refusal.subject]),
      ...task.requests.flatMap((request) => [request.method, request.url, request.status, request.failure]),
      ...task.output.map((part) => part.text),
    ].join("\n").toLowerCase();
    return task.text;
  };
  const matches = (task) =>
    words.every((word) => textOf(task).includes(word)) && [...chosenFilters].every((name) => FILTERS[name][1](task));

  const choose = () => {
    words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const filtered = words.length > 0 || chosenFilters.size > 0;
    visible = [];
    let found = 0;
    if (filtered) {
      const kept = new Set();
      for (const task of order) {
        task.matches = matches(task);
        if (!task.matches) continue;
        found++;
        for (let up = task; up && !kept.has(up); up = tasks.get(up.parent)) kept.add(up);
      }
      visible = order.filter((task) => kept.has(task));
    } else {
      let below = Infinity;
      for (const task of order) {
        task.matches = true;
        if (task.depth > below) continue;
        below = folded.has(task) ? task.depth : Infinity;
        visible.push(task);
      }
      found = order.length;
    }
    byId("count").textContent = filtered
      ? `${found.toLocaleString()} of ${order.length.toLocaleString()} tasks` : "";
    byId("height").style.height = `${visible.length * ROW}px`;
    draw();
  };

  // --- rows: only those in sight are there

  const rows = byId("rows");
  const placed = (element, from, to) => {
    const span = view.to - view.from;
    element.style.left = `${(100 * (from - view.from)) / span}%`;
    if (to !== undefined) element.style.width = `${(100 * Math.max(0, to - from)) / span}%`;
    return element;
  };
  const rowOf = (task, index) => {
    const row = made("div", `row ${task.state}`);
    row.style.top = `${index * ROW}px`;
    row.setAttribute("role", "row");
    row.setAttribute("aria-level", task.depth + 1);
    row.setAttribute("aria-selected", task === chosen);
    row.id = `task-${task.task}`;
    if (task === chosen) row.classList.add("chosen");
    if (!task.matches) row.classList.add("dim");
    row.addEventListener("click", () => pick(task));
    const label = made("div", "label");
    label.setAttribute("role", "gridcell");
    const fold = made("button", "fold", task.children.length ? (folded.has(task) ? "▶" : "▼") : "");
    fold.type = "button";
    fold.tabIndex = -1;
    fold.setAttribute("aria-hidden", "true");
    fold.style.marginLeft = `${Math.min(task.depth, DEEPEST) * 14}px`;
    if (task.children.length) {
      row.setAttribute("aria-expanded", !folded.has(task));
      fold.addEventListener("click", (event) => { event.stopPropagation(); turn(task); });
    }
    label.append(fold, made("span", "dot"), made("span", "title", task.name), made("span", "number", `#${task.task}`));
    if (folded.has(task)) label.append(made("span", "tag", `${below(task).toLocaleString()} below`));
    if (task.attempt_count > 1) label.append(made("span", "tag", `${task.attempt_count} attempts`));
    if (task.refusal_count) label.append(made("span", "tag bad", `${task.refusal_count} denied`));
    const lane = made("div", "lane");
    lane.setAttribute("role", "gridcell");
    lane.setAttribute("aria-label", `${task.state}, ${moment(task.started)}, took ${seconds(task.duration)}`);
    const end = ended(task) ?? whole.to;
    lane.append(placed(made("div", "bar"), task.started, end));
    for (const attempt of task.attempts) {
      const to = ended(attempt) ?? end;
      // What was loaded ahead took no time of the attempt.
      const load = attempt.duration === null ? 0 : Math.min(attempt.load ?? 0, to - attempt.started - attempt.duration);
      lane.append(placed(made("div", `part ${attempt.error_type ? "failed" : ""}`), attempt.started, to));
      if (load > 0) lane.append(placed(made("div", "part load"), attempt.started, attempt.started + load));
    }
    for (const request of task.requests.slice(0, SHOWN)) {
      const bad = request.failure || request.status >= 400;
      lane.append(placed(made("div", `hop ${bad ? "failed" : ""}`), request.at, endOf(request.at, request.duration)));
    }
    for (const refusal of task.refusals.slice(0, SHOWN)) lane.append(placed(made("div", "mark"), refusal.at));
    const share = (end - view.from) / (view.to - view.from);
    const took = made("span", "took", seconds(task.duration));
    if (share < 0.86) placed(took, end); else took.style.right = `${Math.max(0, 100 * (1 - (task.started - view.from) / (view.to - view.from)))}%`;
    lane.append(took);
    row.append(label, lane);
    return row;
  };
  const below = (task) => {
    let count = 0;
    for (const waiting = [...task.children]; waiting.length > 0; count++) waiting.push(...waiting.pop().children);
    return count;
  };
  const draw = () => {
    const from = Math.max(0, Math.floor(rows.scrollTop / ROW) - 5);
    const to = Math.min(visible.length, Math.ceil((rows.scrollTop + rows.clientHeight) / ROW) + 5);
    const height = byId("height");
    height.replaceChildren(...visible.slice(from, to).map((task, index) => rowOf(task, from + index)));
    if (chosen) rows.setAttribute("aria-activedescendant", `task-${chosen.task}`);
    axis();
  };
  const axis = () => {
    const span = view.to - view.from, rough = span / 6;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((factor) => power * factor >= rough);
    const marks = [];
    for (let i = Math.ceil((view.from - started) / step); i * step + started < view.to && marks.length < 20; i++) {
      marks.push(placed(made("span", "", i ? seconds(i * step) : "0"), started + i * step));
    }
    byId("axis").replaceChildren(...marks);
  };
  const zoom = (factor, at = 0.5) => {
    const span = view.to - view.from, middle = view.from + span * at;
    const length = Math.min(whole.to - whole.from, Math.max(1e-5, span * factor));
    const from = Math.min(Math.max(whole.from, middle - length * at), whole.to - length);
    view = { from, to: from + length };
    draw();
  };
  const turn = (task) => {
    if (!folded.delete(task)) folded.add(task);
    choose();
  };

  // --- the details of one task

  const entries = (title, items, of, count) => {
    if (!count) return [];
    const list = made("ul");
    for (const item of items.slice(0, SHOWN)) {
      const entry = made("li");
      entry.append(...of(item));
      list.append(entry);
    }
    const shown = Math.min(items.length, SHOWN);
    if (shown < count) list.append(made("li", "soft", `${(count - shown).toLocaleString()} more happened`));
    return [made("h3", "", `${title} (${count.toLocaleString()})`), list];
  };
  const texts = (...parts) => parts.filter(([, text]) => text !== null && text !== "").map(([kind, text]) => made(kind === "b" ? "b" : "span", kind, text));
  const pick = (task, focus = false) => {
    chosen = task;
    const details = byId("details"), parent = tasks.get(task.parent);
    const parts = [made("h2", "", task.name), made("p", "soft", `#${task.task} · ${task.state} · ${moment(task.started)} · took ${seconds(task.duration)} · fuel ${amount(task.fuel)}`)];
    if (parent) {
      const line = made("p", "soft", "started by "), up = made("button", "up", `${parent.name} #${parent.task}`);
      up.type = "button";
      up.addEventListener("click", () => { pick(parent); show(parent); });
      line.append(up);
      parts.push(line);
    }
    if (task.error_type) parts.push(made("h3", "", "Error"), made("p", "error", `${task.error_type}: ${task.message ?? ""}`));
    parts.push(...entries("Denied", task.refusals, (each) => texts(["b", `${each.rule} `], ["", each.subject], ["soft", ` ${moment(each.at)}`]), task.refusal_count));
    if (task.attempt_count > 1 || task.attempts.some((each) => each.traceback)) {
      parts.push(...entries("Attempts", task.attempts, (each) => {
        const words = texts(["b", `${each.attempt}. `], ["", each.error_type ? `${each.error_type}: ${each.message ?? ""}` : each.duration === null ? "has not ended" : "succeeded"], ["soft", ` took ${seconds(each.duration)}, loading ${seconds(each.load)}, fuel ${amount(each.fuel)}`]);
        return each.traceback ? [...words, made("pre", "", each.traceback.trim())] : words;
      }, task.attempt_count));
    }
    parts.push(...entries("Requests", task.requests, (each) => texts(["b", `${each.method} `], ["", each.url], [each.failure || each.status >= 400 ? "error" : "soft", ` ${each.failure ?? each.status ?? "…"}`], ["soft", ` ${seconds(each.duration)}, ${amount(each.sent)}B sent, ${amount(each.received)}B received`]), task.request_count));
    if (task.output.length) {
      const text = made("pre");
      for (const part of task.output) {
        if (part.after_gap) text.append(made("span", "gap", "\n… [not kept]\n"));
        text.append(made("span", part.stream === "stderr" ? "stderr" : "", part.text));
      }
      parts.push(made("h3", "", `Output (${task.output_count.toLocaleString()} characters)`), text);
    }
    if (parent === undefined) parts.push(made("h3", "", "Arguments"), made("pre", "", run.arguments));
    parts.push(made("h3", "", "Policy"), made("pre", "", task.policy));
    details.replaceChildren(...parts);
    details.scrollTop = 0;
    draw();
    if (focus) details.focus();
  };
  const show = (task) => {
    for (let up = tasks.get(task.parent); up; up = tasks.get(up.parent)) folded.delete(up);
    choose();
    const top = visible.indexOf(task) * ROW;
    if (top < rows.scrollTop) rows.scrollTop = top;
    if (top + ROW > rows.scrollTop + rows.clientHeight) rows.scrollTop = top + ROW - rows.clientHeight;
    draw();
  };

  // --- totals by name

  const totals = new Map();
  for (const task of order) {
    const of = totals.get(task.name) ?? { count: 0, failed: 0, time: 0, most: 0, fuel: 0, requests: 0, denied: 0 };
    totals.set(task.name, of);
    of.count++;
    of.failed += task.state === "failed" ? 1 : 0;
    of.time += task.duration ?? 0;
    of.most = Math.max(of.most, task.duration ?? 0);
    of.fuel += task.fuel ?? 0;
    of.requests += task.request_count;
    of.denied += task.refusal_count;
  }
  const line = (cells, tag) => {
    const row = made("tr");
    cells.forEach((cell, index) => row.append(made(tag, index ? "n" : "", cell)));
    return row;
  };
  byId("totals").append(line(["Task", "Executions", "Failed", "Time", "Mean", "Longest", "Fuel", "Requests", "Denied"], "th"));
  for (const [name, of] of [...totals].sort(([, a], [, b]) => b.time - a.time).slice(0, SHOWN)) {
    const counts = [of.requests, of.denied].map((count) => count.toLocaleString());
    byId("totals").append(line([name, of.count.toLocaleString(), of.failed.toLocaleString(), seconds(of.time), seconds(of.time / of.count), seconds(of.most), amount(of.fuel), ...counts], "td"));
  }

  // --- what people do

  for (const [name, [label]] of Object.entries(FILTERS)) {
    const button = made("button", "", label);
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      if (!chosenFilters.delete(name)) chosenFilters.add(name);
      button.setAttribute("aria-pressed", chosenFilters.has(name));
      rows.scrollTop = 0;
      choose();
    });
    byId("filters").append(button);
  }
  let soon = 0;
  byId("search").addEventListener("input", () => { clearTimeout(soon); soon = setTimeout(() => { rows.scrollTop = 0; choose(); }, 80); });
  rows.addEventListener("scroll", draw);
  rows.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = byId("axis").getBoundingClientRect();
    zoom(event.deltaY < 0 ? 0.8 : 1.25, Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)));
  }, { passive: false });
  byId("in").addEventListener("click", () => zoom(0.5));
  byId("out").addEventListener("click", () => zoom(2));
  byId("all").addEventListener("click", () => zoom(Infinity));
  byId("theme").addEventListener("click", () => document.documentElement.classList.toggle("dark"));
  rows.addEventListener("keydown", (event) => {
    const at = visible.indexOf(chosen), page = Math.max(1, Math.floor(rows.clientHeight / ROW) - 1);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: visible.length - 1 }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (to !== undefined && visible.length) {
      const next = visible[Math.min(visible.length - 1, Math.max(0, to))];
      pick(next);
      show(next);
    } else if (event.key === "ArrowRight" && chosen && folded.has(chosen)) turn(chosen);
    else if (event.key === "ArrowLeft" && chosen?.children.length && !folded.has(chosen)) turn(chosen);
    else if (event.key === "ArrowLeft" && tasks.get(chosen?.parent)) { pick(tasks.get(chosen.parent)); show(chosen); }
    else if (event.key === "Enter" && chosen) pick(chosen, true);
    else if (event.key === "+" || event.key === "=") zoom(0.5);
    else if (event.key === "-") zoom(2);
    else if (event.key === "0") zoom(Infinity);
    else if (event.key === "/") byId("search").focus();
    else return;
    event.preventDefault();
  });
  if (matchMedia("(prefers-color-scheme: dark)").matches) document.documentElement.classList.add("dark");
  new ResizeObserver(draw).observe(rows);
  choose();
  const first = order.find((task) => task.state === "failed") ?? order[0];
  if (first) pick(first);
}

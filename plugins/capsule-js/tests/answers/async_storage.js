const { AsyncLocalStorage, AsyncResource } = require("node:async_hooks");
const { EventEmitter } = require("node:events");
const timers = require("node:timers/promises");
const one = new AsyncLocalStorage();
const two = new AsyncLocalStorage();
const both = () => [one.getStore(), two.getStore()];
const wait = (delay) => new Promise((resolve) => setTimeout(resolve, delay));
const from = (start) => new Promise((resolve) => start((...args) => resolve([both(), ...args])));

await answer("outside", "", both);
await answer("run", "", () => one.run(1, (...args) => [both(), args], "a", "b"));
await answer("nested", "", () => one.run(1, () => [two.run(2, () => one.run(3, both)), both()]));
await answer("throws", "", () => { try { one.run(1, () => { throw new Error("x"); }); } catch { return both(); } });
await answer("setTimeout", "", () => one.run(1, () => from((done) => setTimeout(done, 1, "arg"))));
await answer("setInterval", "", () => one.run(1, () => from((done) => { const timer = setInterval(() => { clearInterval(timer); done(); }, 1); })));
await answer("setImmediate", "", () => one.run(1, () => from((done) => setImmediate(done, "arg"))));
await answer("nextTick", "", () => one.run(1, () => from((done) => process.nextTick(done, "arg"))));
await answer("queueMicrotask", "", () => one.run(1, () => from((done) => queueMicrotask(done))));
await answer("then", "", () => one.run(1, () => from((done) => Promise.resolve(5).then(done))));
await answer("catch", "", () => one.run(1, () => from((done) => Promise.reject(5).catch(done))));
await answer("finally", "", () => one.run(1, () => from((done) => void Promise.resolve(5).finally(done))));
await answer("then, resolved elsewhere", "", async () => {
  const { promise, resolve } = Promise.withResolvers();
  const seen = one.run(1, () => from((done) => promise.then(done)));
  const other = one.run(2, () => from((done) => promise.then(done)));
  one.run(3, () => resolve("value"));
  return [await seen, await other];
});
for (const [label, value] of [["number", 5], ["undefined", undefined], ["object", {}], ["promise", Promise.resolve(1)], ["timer", null]]) {
  await answer(`await ${label}`, "", () => one.run(label, async () => {
    await (label === "timer" ? wait(2) : value);
    const first = both();
    await (label === "timer" ? wait(2) : value);
    return [first, both()];
  }));
}
await answer("await thenable", "", () => one.run("t", async () => {
  let inside;
  await { then(done) { inside = both(); setTimeout(done, 1); } };
  return [inside, both()];
}));
class Own extends Promise {}
class Lazy extends Promise { then(...args) { this.seen = both(); return super.then(...args); } }
await answer("await a class of promises", "", () => one.run("o", async () => {
  const lazy = new Lazy((resolve) => setTimeout(resolve, 1, 7));
  const value = await lazy;
  await new Own((resolve) => setTimeout(resolve, 1));
  return [value, lazy.seen, both(), await from((done) => new Own((resolve) => setTimeout(resolve, 1)).then(() => done()))];
}));
await answer("rejected", "", () => one.run("r", async () => {
  try { await wait(1).then(() => { throw new Error("x"); }); } catch { return both(); }
}));
await answer("many at once", "", () => Promise.all(Array.from({ length: 6 }, (_, index) => one.run(index, async () => {
  const seen = [];
  for (let turn = 0; turn < 4; turn++) {
    await (turn % 2 ? wait(6 - index) : index % 2 ? undefined : Promise.resolve());
    seen.push(one.getStore());
  }
  await Promise.all([wait(1), 5, Promise.race([wait(1), wait(2)])]);
  return [...seen, one.getStore()];
}))));
await answer("deep", "", () => one.run("d", async () => {
  const inner = async (depth) => (depth ? inner(depth - 1) : (await null, await wait(1), both()));
  return [await inner(5), both()];
}));
await answer("a call's own change stays with it", "", async () => {
  const inner = async () => { two.enterWith("inner"); await wait(1); return both(); };
  return two.run("outer", async () => { const seen = await inner(); return [seen, both()]; });
});
await answer("enterWith", "", () => two.run("x", async () => { one.enterWith("e"); const now = both(); await null; const later = both(); await wait(1); return [now, later, both()]; }));
await answer("after enterWith", "", both);
await answer("exit", "", () => one.run(1, () => [one.exit(() => both()), one.exit((...args) => args, 5), both()]));
await answer("exit async", "", () => one.run(1, async () => [await one.exit(async () => { await wait(1); return both(); }), both()]));
await answer("async generator", "", () => one.run("g", async () => {
  async function* numbers() { for (let n = 0; n < 2; n++) { await wait(1); yield [n, one.getStore()]; await null; yield one.getStore(); } }
  const seen = [];
  for await (const item of numbers()) seen.push(item, one.getStore());
  return seen;
}));
await answer("for await of values", "", () => one.run("v", async () => { const seen = []; for await (const item of [1, Promise.resolve(2)]) seen.push(item, one.getStore()); return seen; }));
await answer("emitter", "", () => { const emitter = new EventEmitter(); const seen = []; one.run("listening", () => emitter.on("x", () => seen.push(one.getStore()))); one.run("emitting", () => emitter.emit("x")); return seen; });
await answer("timers/promises", "", () => one.run("p", async () => { await timers.setTimeout(1); const first = both(); await timers.setImmediate(); return [first, both()]; }));
await answer("fs callback", "", () => one.run("f", () => from((done) => require("node:fs").readFile("/nowhere", () => done()))));
await answer("fs promise", "", () => one.run("f", async () => { await require("node:fs/promises").readFile("/nowhere").catch(() => {}); return both(); }));
await answer("stream", "", () => one.run("s", async () => { const seen = []; for await (const chunk of require("node:stream").Readable.from(["a", "b"])) seen.push(chunk, one.getStore()); return seen; }));
await answer("bind", "", () => { const bound = one.run("b", () => AsyncLocalStorage.bind(function (a, b) { return [both(), a, b, this?.own]; })); return [bound.length, one.run("other", () => bound(1, 2)), Reflect.apply(bound, { own: 5 }, [])]; });
await answer("bind what is none", "", () => AsyncLocalStorage.bind(5));
await answer("snapshot", "", () => { const snapshot = one.run("s", () => AsyncLocalStorage.snapshot()); return one.run("o", () => [snapshot((...args) => [both(), args], 1, 2), both()]); });
await answer("snapshot async", "", () => { const snapshot = one.run("s", () => AsyncLocalStorage.snapshot()); return snapshot(async () => { await wait(1); return both(); }); });
await answer("resource", "", () => { const resource = one.run("r", () => new AsyncResource("X")); return [resource.runInAsyncScope(function (a) { return [both(), this.x, a]; }, { x: 1 }, 2), resource.bind(() => both())(), AsyncResource.bind((a) => [a, both()])(4)]; });
await answer("resource of no type", "", () => new AsyncResource(5));
await answer("class that extends", "", () => { class Job extends AsyncResource { constructor() { super("JOB"); } go(done) { return this.runInAsyncScope(done, null, 1); } } const job = two.run("job", () => new Job()); return job.go((n) => [n, both()]); });
await answer("disable", "", () => one.run(1, () => { one.disable(); const off = both(); return [off, one.run(2, both)]; }));
await answer("a promise is still one", "", () => [Promise.resolve(1) instanceof Promise, Promise.resolve(1).constructor === Promise, Promise.prototype.then.name, Promise.prototype.then.length, new Own(() => {}).constructor.name, (async () => {})().constructor === Promise]);
await answer("order of jobs", "", async () => {
  const order = [];
  const says = async (name, times, value) => { for (let n = 0; n < times; n++) { await value; order.push(name + n); } };
  await Promise.all([says("a", 3), says("b", 3, Promise.resolve()), one.run(1, () => says("c", 3, 5)), Promise.resolve().then(() => order.push("d")).then(() => order.push("e")), says("f", 2, { then: (done) => done() })]);
  return order.join(" ");
});
await answer("print", "", () => require("node:util").inspect(new Promise(() => {})).replace(/\n */, " ").slice(0, 19));
await answer("timeout's this", "", () => new Promise((resolve) => { const timer = setTimeout(function () { resolve([this === timer, timer.hasRef(), typeof timer[Symbol.toPrimitive]()]); }, 1); }));
await answer("interval clears itself", "", () => new Promise((resolve) => { let times = 0; setInterval(function () { if (++times === 3) { clearInterval(this); setTimeout(resolve, 5, times); } }, 1); }));
await answer("refresh", "", () => new Promise((resolve) => { let times = 0; const timer = setTimeout(() => { if (++times < 3) timer.refresh(); else setTimeout(resolve, 3, times); }, 1); }));
await answer("refresh when cleared", "", () => new Promise((resolve) => { const timer = setTimeout(() => resolve("fired"), 1); clearTimeout(timer); timer.refresh(); setTimeout(resolve, 10, "cleared"); }));
await answer("clear by number", "", () => new Promise((resolve) => { const timer = setTimeout(() => resolve("fired"), 1); clearTimeout(String(Number(timer))); clearTimeout(null); clearTimeout({}); setTimeout(resolve, 5, "cleared"); }));

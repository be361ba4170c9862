/**
 * Speaks with its host past the shim: of itself it says what the query of its URL wants, and in a call it posts what the
 * sender wants.
 */
interface Scope {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
}
interface Context {
  readonly sender: { readonly local: string } | null;
  note(sentence: string): void;
}

const scope = globalThis as unknown as Scope, heard: string[] = [];
let call = 0, calls = 0;
scope.addEventListener("message", ({ data }) => {
  if (data.do === "response") heard.push(data.error?.message ?? "was answered");
});

const TRUTH = {
  name: "liar",
  phases: ["mail"],
  after: [],
  roles: null,
  bindsSender: false,
  asksEngine: false,
  routesTo: [],
  routesVia: [],
  mechanisms: null,
  deadline: null,
  observes: false,
  learns: false,
  jobs: [],
  schema: {},
};

function lied(lie: string): unknown {
  const circle: Record<string, unknown> = {};
  circle["circle"] = circle;
  const lies: Record<string, object> = {
    store: { name: "ban:x" },
    terminal: { name: "x\r\n\u001b[31m" },
    another: { name: "another" },
    never: { deadline: NaN },
    always: { jobs: [{ name: "j", every: Infinity, after: 0 }] },
    circle: { schema: circle },
    busy: { jobs: [{ name: "j", every: 60_000, after: 0 }] },
    phases: { phases: Array.from({ length: 1_000_000 }, () => "mail") },
  };
  return { do: "described", description: { ...TRUTH, ...lies[lie] } };
}

const lie = new URL(import.meta.url).searchParams.get("lie");
if (lie !== null) scope.postMessage(lied(lie));

const question = (about: unknown, number: number) =>
  scope.postMessage({ do: "question", call, question: number, about });
const write = (octets: number, number: number) =>
  question({ ask: "write", body: 1, octets: new Uint8Array(octets) }, number);

async function asked(ctx: Context, next: () => unknown): Promise<unknown> {
  call = ++calls; // as the host counts them in each life
  switch (ctx.sender?.local) {
    case "shared":
    case "port":
    case "deep": {
      let deep: unknown = null;
      for (let depth = 0; depth < 1000; depth++) deep = [deep];
      const value = { shared: new Uint8Array(new SharedArrayBuffer(8)), port: /./, deep }[ctx.sender.local];
      const deeds = [{ deed: "set", scope: "connection", key: "k", value, told: null }, { deed: "next" }];
      scope.postMessage({ do: "answer", call, deeds, outcome: { is: "next" } });
      return await new Promise(() => {});
    }
    case "octets":
      for (let number = 1001; number < 1070; number++) write(1024 * 1024, number);
      while (heard.length < 69) await new Promise((resolve) => setTimeout(resolve, 5));
      ctx.note([...new Set(heard)].join(", "));
      return next();
    case "behind": {
      const mine = call;
      setTimeout(() => {
        call = mine;
        write(10, 1001);
        question({ ask: "read", body: 0, reader: 7 }, 1002);
      }, 0);
      return next();
    }
    case "heard":
      while (heard.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
      ctx.note(heard.toSorted().join(", "));
      return next();
  }
  return next();
}

/** Letters without end, and waits for none. */
function run(): Promise<never> {
  call = ++calls;
  const letter = { ask: "send", from: null, to: [], content: new Uint8Array(1024 * 1024) };
  for (let number = 1001; number < 1100; number++) question(letter, number);
  return new Promise(() => {});
}

// A factory by what it has: nothing of the kit is needed
const options = { "~standard": { version: 1, vendor: "liar", validate: (value: unknown) => ({ value }) } };
const parse = () => ({
  name: "liar",
  handlers: { mail: asked, data: asked },
  jobs: [{ name: "j", every: 60_000, run }],
});
export default Object.assign(() => {}, { pluginName: "liar", options, parse });

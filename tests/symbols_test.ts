/**
 * What "postern", "postern/edge" and "postern/server" export is documented by examples that run (`deno test --doc`): every function, class
 * and constant has one that asserts something, and so has every type of the pipeline that an author writes against.
 * Non-job: whether there are words at all (`deno doc --lint`), whether the examples hold (they are tests themselves).
 */
import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "./support/paths.ts";
import { within } from "./support/wait.ts";

const ROOT = fromFileUrl(new URL("../", import.meta.url));

interface Declaration {
  readonly kind: string;
  readonly location: { readonly filename: string };
  readonly jsDoc?: {
    readonly doc?: string;
    readonly tags?: readonly { readonly kind: string; readonly doc?: string }[];
  };
}
interface Symbol {
  readonly name: string;
  readonly declarations: readonly Declaration[];
}

async function symbolsOf(...doors: readonly string[]): Promise<Symbol[]> {
  const doc = new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", ...doors],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
  });
  const { code, stdout, stderr } = await within("deno doc", doc.output(), 120_000);
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  const { nodes } = JSON.parse(new TextDecoder().decode(stdout)) as { nodes: Record<string, { symbols: Symbol[] }> };
  return Object.values(nodes).flatMap(({ symbols }) => symbols);
}

/** Where types are declared that an author writes against; elsewhere they are values, whose fields say it all. */
const TAUGHT = "core/pipeline/";
/** Types of the pipeline that need no example: parts of one that has one, and words for a union or a value. */
const PLAIN = new Set([
  ...["Answer", "Next", "VerdictIn", "Role", "Lasting", "Lesson"], // words
  ...["Phases", "EdgePhases", "PortablePhases", "NoSuchPhase", "Creation", "AnyFactory"], // of definePlugin
  ...["Checked", "PathStep"], // of Schema
  ...["ObserverHouse", "ObserverServices", "JobHouse", "Letter"], // of Observe, observersOf, Job
  ...["SandboxFacts"], // of sandboxed
  ...["TlsFacts", "ClientCertificate", "HeaderField", "Score", "Deposit"], // facts
  ...["Question", "RemoteRoute", "SignedContent"], // of CallAhead, RcptContext, Signer
  ...["SimulatedRecipient", "SimulatedDeparture", "Row"], // of Simulated, NextHopAnswer, SimulatedResult
]);
const VALUES = new Set(["function", "class", "variable"]);

Deno.test("every public function, class and constant, and every type to write against, has an example that asserts", async () => {
  const symbols = await symbolsOf("mod.ts", "edge.ts", "server.ts");
  for (const name of ["definePlugin", "createServer", "startServer", "DeliverContext", "RATE", "ConfigError"]) {
    assert(symbols.some((each) => each.name === name), `${name} is exported`);
  }
  const wrong: string[] = [], plain = new Set(PLAIN);
  for (const { name, declarations } of symbols) {
    const value = declarations.some(({ kind }) => VALUES.has(kind));
    const taught = declarations.some(({ location }) => location.filename.includes(`/${TAUGHT}`));
    const examples = declarations.flatMap(({ jsDoc }) => jsDoc?.tags ?? [])
      .filter(({ kind }) => kind === "example").map(({ doc = "" }) => doc);
    plain.delete(name);
    if (examples.some((each) => /\bassert\w*\(/.test(each) && each.includes("```ts"))) continue;
    if (value || taught && !PLAIN.has(name)) wrong.push(`${declarations[0]?.kind} ${name}`);
  }
  assertEquals(wrong, []);
  assertEquals([...plain], [], "no longer exported");
});

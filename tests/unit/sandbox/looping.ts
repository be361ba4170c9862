/** One message that never yields, in a process of its own: its thread would run on in the tests'. Prints what came of it. */
import { sandboxed } from "../../../core/sandbox/sandboxed.ts";
import { Attacked, type Looped } from "./attacked.ts";

const MODULE = new URL("./plugins/attacks.ts", import.meta.url), CPU = 500;
const [local = ""] = Deno.args;

async function looped(): Promise<Looped> {
  if (local === "create") {
    const reason = await sandboxed(MODULE, { create: "loop" }, { cpu: CPU }).then(() => "it began", String);
    return { reason: reason.replace("Error: ", ""), code: 0, told: [], after: "" };
  }
  const place = await Attacked.open(MODULE, {}, { cpu: CPU });
  const { reason, code } = local === "loop-in-a-timer"
    ? { reason: "", code: (await place.ask(local)).reply.code }
    : await place.among(local);
  const after = String((await place.ask("good")).reply);
  return { reason, code, told: place.told, after };
}
console.log(JSON.stringify(await looped()));
Deno.exit(0);

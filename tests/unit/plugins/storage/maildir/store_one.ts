/** Stores one message below the folder given for each line that it reads; prints what became of it. */
import { maildir } from "../../../../../plugins/storage/maildir/mod.ts";
import { attempt } from "../queue_phase.ts";

const plugin = maildir({ root: Deno.args[0]! });
for await (const chunk of Deno.stdin.readable) {
  for (let lines = chunk.filter((octet) => octet === 10).length; lines > 0; lines--) {
    const { results } = await attempt(plugin, { to: ["joe@example.org"] });
    console.log(results[0]);
  }
}

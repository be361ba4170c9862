/** Case 38 by the clock: what a client could measure to learn whether a name is there. */
import { assert } from "@std/assert";
import { ScryptPasswords } from "../../../../../core/auth/passwords.ts";
import { runPhase } from "../../../../../core/pipeline/testing/simulation.ts";
import { MECHANISMS, type SaslConnection } from "../../../../../core/smtp/sasl/mod.ts";
import { deriveScramKeys, formatScramKeys } from "../../../../../core/smtp/sasl/scram_keys.ts";
import { accounts } from "../../../../../plugins/auth/accounts/mod.ts";
import { cheapHash } from "./cheap.ts";
import { random } from "./login.ts";

const TRIES = 40;
const utf8 = new TextEncoder();
const connection: SaslConnection = {
  hostname: "mx.example.org",
  certificate: null,
  certificateNames: [],
  bindings: () => new Map(),
  bindingOffered: false,
  passwords: new ScryptPasswords(),
  random,
};
const keys = formatScramKeys(await deriveScramKeys("right", { iterations: 4096, salt: random(16) }));
const lines = await Promise.all(
  Array.from({ length: 20 }, async (_, n) => `user${n} ${await cheapHash("right", 13)} ${keys}`),
);
const plugin = accounts({ accounts: lines });

/** Milliseconds from the first response to the challenge, if there is one, and to the reply. */
async function measure(mechanism: string, user: string, password: string): Promise<number[]> {
  const times: number[] = [];
  const first = mechanism === "PLAIN" ? `\0${user}\0${password}` : `n,,n=${user},r=abcdefgh`;
  let since = performance.now();
  const claim = await MECHANISMS.get(mechanism)!.claim(utf8.encode(first), {
    challenge: (octets) => {
      times.push(performance.now() - since);
      const nonce = /^r=([^,]+)/.exec(new TextDecoder().decode(octets))![1];
      const proof = utf8.encode(`c=biws,r=${nonce},p=${new Uint8Array(32).toBase64()}`);
      since = performance.now();
      return Promise.resolve(proof);
    },
  }, connection);
  const login = { mechanism, user, password, verify: (stored: string) => claim.verify(stored) };
  const { reply } = await runPhase(plugin, "auth", { login });
  assert(reply.code === 535, String(reply));
  times.push(performance.now() - since);
  return times;
}

const middle = (times: readonly number[]): number => times.toSorted((a, b) => a - b)[times.length >> 1]!;

/** Median of what an unknown name takes longer than a known one, milliseconds for each step, measured in pairs. */
async function differences(mechanism: string): Promise<number[]> {
  const found: number[][] = [];
  for (let n = -5; n < TRIES; n++) {
    // In turns, so that what else the machine does is the same for both
    const there = await measure(mechanism, `user${Math.max(n, 0) % 20}`, `wrong${n}`);
    const nobody = await measure(mechanism, `nobody${n}`, `wrong${n}`);
    if (n >= 0) found.push(there.map((time, step) => nobody[step]! - time)); // before that the code is cold
  }
  return found[0]!.map((_, step) => middle(found.map((each) => each[step]!)));
}

// Milliseconds: a tenth of a hash; for SCRAM, which hashes nothing here, far below a network's noise. A leak is there
// in every round, a machine that is busy with something else is not.
for (const [mechanism, allowed] of [["PLAIN", 1.5], ["SCRAM-SHA-256", 0.2]] as const) {
  Deno.test(`case 38: ${mechanism}: a name that is not there takes as long as a wrong password`, async () => {
    const rounds: number[][] = [];
    while (rounds.length < 5 && !rounds.some((each) => each.every((time) => Math.abs(time) < allowed))) {
      rounds.push(await differences(mechanism));
    }
    const last = rounds.at(-1)!.map((time) => time.toFixed(3));
    assert(rounds.at(-1)!.every((time) => Math.abs(time) < allowed), `${last} ms longer, ${rounds.length} rounds`);
  });
}

/**
 * Accounts in a file or in the store: who may log in, by which password, keys or certificate, and whom each may send as (RFC 4954).
 * Nobody can tell a name that is not there from a wrong password, by text, time or what SCRAM shows.
 * Non-job: computing hashes (core/auth), SASL (core/smtp/sasl), lock-outs, holding senders to their names (`sender_login`).
 */
import { z } from "zod";
import { type ClientCertificate, definePlugin, type PluginFactory, reject } from "../../../core/pipeline/mod.ts";
import { vouch } from "../vouch.ts";
import { ACCOUNT } from "./key.ts";
import { KeptSource } from "./kept.ts";
import type { Line } from "./line.ts";
import { Source } from "./source.ts";
import { type AccountTable, TELLING } from "./table.ts";

export { ACCOUNT, type Account } from "./key.ts";

const Options = z.strictObject({
  file: z.string().min(1).optional().describe("File of accounts, which `postern user` writes; read when it changes"),
  store: z.boolean().default(false)
    .describe("Accounts are in the store, where `postern user` puts them and all nodes read them"),
  certificates: z.boolean().default(false)
    .describe("With store: offer EXTERNAL, to accounts that have the fingerprint of a client certificate"),
  accounts: z.array(z.string()).default([]).describe("Lines as they stand in such a file, for tests and small sites"),
  caseSensitive: z.boolean().default(false).describe("Whether `Alice` and `alice` are two"),
  cramMd5: z.boolean().default(false)
    .describe("Offer CRAM-MD5 to the accounts whose password the file holds readable (`postern user add --cram-md5`)"),
}).refine(({ file, accounts, store }) => file !== undefined || accounts.length > 0 || store, {
  error: "needs a file, such as { file: ./accounts.txt }, or store: true, or lines of accounts",
}).refine(({ file, store }) => file === undefined || !store, {
  error: "has its accounts in a file or in the store, not in both",
});

/** What is offered of accounts that a start does not know yet. */
const USUAL = [...TELLING, "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"];

// The words of the phase's own end: who is barred is told what everybody is told
const BARRED = reject("5.7.8", "Authentication failed", { code: 535, reason: "the account is disabled" });

/** What this account's secret can be compared with, by this mechanism. */
function proofsOf(account: Line, mechanism: string): readonly string[] {
  const { scrypt, scram, cramMd5, certificates } = account;
  if (mechanism === "EXTERNAL") return certificates;
  const stored = TELLING.has(mechanism)
    ? scrypt ?? scram
    : mechanism.startsWith("SCRAM-SHA-256")
    ? scram
    : mechanism === "CRAM-MD5" && cramMd5 !== null
    ? `{CRAM-MD5}${cramMd5}`
    : null;
  return stored === null ? [] : [stored];
}

/** Whom a name stands for; a name that a certificate itself says may stand for whom it was given to (RFC 4422 A.1). */
function accountOf(table: AccountTable, user: string, certificate: ClientCertificate | null): Line | null {
  const account = table.find(user);
  if (account !== null || certificate === null) return account;
  const { fingerprint, commonName, emails } = certificate;
  return user === "" || user === commonName || emails.includes(user) ? table.holder(`SHA256:${fingerprint}`) : null;
}

/**
 * Lets those in whom a file names.
 *
 * @example
 * ```ts
 * import { accounts } from "./mod.ts";
 * const plugin = accounts({
 *   accounts: ["alice $scrypt$ln=15,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$hm9XXUOsvSSJ3jnBZLGoXw sender=alice@example.org"],
 * });
 * ```
 */
export const accounts: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "accounts",
  roles: ["submission"],
  options: Options,
  create({ file = null, accounts, caseSensitive, cramMd5, ...options }, { base, trouble, mechanisms }) {
    const kept = options.store ? new KeptSource({ inline: accounts, caseSensitive, trouble }) : null;
    const announced = new Set<string>();
    const changed = (table: AccountTable) => {
      const more = table.mechanisms({ cramMd5 }).filter((name) => !announced.has(name));
      if (more.length > 0) trouble(`${file} has accounts for ${more.join(", ")} now: a restart announces it`);
    };
    const source = new Source({ inline: accounts, file, base, caseSensitive, trouble, changed });
    for (const name of source.table.mechanisms({ cramMd5 })) announced.add(name);
    if (kept !== null) {
      for (const name of USUAL) announced.add(name);
      if (options.certificates) announced.add("EXTERNAL");
      if (cramMd5) announced.add("CRAM-MD5");
    }
    mechanisms([...announced]);
    if (announced.has("CRAM-MD5")) {
      trouble("cramMd5 is on: it keeps passwords readable, and needs neither of its sides to be who it says it is");
    }

    return {
      async auth(ctx, next) {
        const now = ctx.now();
        const table = kept === null ? source.current(now) : await kept.current(ctx.store, now);
        const { credentials, client } = ctx, { mechanism, user } = credentials;
        const decoy = table.decoy(user, mechanism); // made for everybody: it takes time too
        const certificate = mechanism === "EXTERNAL" ? client.tls?.certificate ?? null : null;
        const account = accountOf(table, user, certificate);
        const proofs = account === null ? [] : proofsOf(account, mechanism);
        if (client.identity === null && account !== null && !account.disabled && proofs.length > 0) {
          for (const proof of proofs) {
            if (!await credentials.verify(proof)) continue;
            vouch(ctx, account.name, account.senders);
            break;
          }
          return next();
        }
        if (client.identity === null && credentials.reveal() === null) {
          // Here, as for a name that is there: what others do in between would tell the two apart by the challenge's time.
          // SCRAM shows its salt, and that of a disabled account should be the one that it had.
          const form = account?.disabled ? proofs[0] ?? decoy : decoy;
          if (form !== null) await credentials.decoy(form);
          return next();
        }
        const answer = await next(), identity = ctx.client.identity;
        const known = identity === null ? null : table.find(identity);
        if (answer.verdict === "accept" && identity !== null && known?.disabled !== true) {
          // Another back end let it in; the file may say more of whom it sends as
          if (known !== null && known.senders.length > 0) {
            ctx.set(ACCOUNT, { name: identity!, senders: [...ctx.get(ACCOUNT)?.senders ?? [], ...known.senders] });
          }
          return answer;
        }
        // Never the form of a disabled account: a right password is remembered, and found faster for a while
        if (decoy !== null && identity === null) await credentials.decoy(decoy);
        return answer.verdict === "accept" ? BARRED : answer;
      },
    };
  },
});

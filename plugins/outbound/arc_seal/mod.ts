/**
 * Seals what strangers sent and this site sends on (RFC 8617 5.1): aliases, lists, relaying. The seal says what the checks
 * here found before anybody changed the message, which breaks the author's own signature. Mail of the site's own users and
 * its reports have nothing to hand on: `dkim_sign` signs them. Non-job: checking chains that came in (arc), how one seals
 * (core/dkim).
 */
import { z } from "zod";
import {
  arcResult,
  canBeSigned,
  type ChainValidation,
  type Content,
  KeyRecords,
  ownResults,
  seal,
  signedFields,
  SignedHeader,
  verifyChain,
} from "../../../core/dkim/mod.ts";
import {
  canonicalDomain,
  definePlugin,
  Networks,
  OptionsError,
  type Origin,
  type PluginFactory,
} from "../../../core/pipeline/mod.ts";
import { network } from "../schema.ts";
import { readKeys } from "../key_source.ts";

const name = (what: string) =>
  z.string().refine((text) => canonicalDomain(text) !== null, { error: (issue) => `"${issue.input}" is no ${what}` });

const Options = z.strictObject({
  domain: name("domain").describe("Who seals: d=. The name by which others trust this site"),
  selector: name("selector").describe("Where its record is, below _domainkey of the domain: s="),
  key: z.string().min(1).describe("File of a private key, RSA or Ed25519, or its PEM: `${DKIM_KEY}`"),
  networks: z.array(network).default([]).describe("Clients whose mail is not sealed, because it is the site's own"),
  headers: z.array(
    z.string().refine(canBeSigned, {
      error: (issue) => `"${issue.input}" is no field that stays what it is on its way`,
    }),
  ).default([]).describe("Names of fields to cover besides those that always are"),
});

/** Attempts that wait for name service to say what a chain is worth; after that the mail goes as it came. */
const PATIENT = 3;

/**
 * Puts a set of ARC fields in front of what goes out. Stands before `dkim_sign`. The findings are those of this site's own
 * Authentication-Results field.
 *
 * @example
 * ```ts
 * import { arc_seal } from "./mod.ts";
 * const key = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g"; // RFC 8463 A.2
 * const plugin = arc_seal({
 *   domain: "example.org",
 *   selector: "s2026",
 *   key: `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n`,
 * });
 * ```
 */
export const arc_seal: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "arc_seal",
  options: Options,
  create({ domain, selector, key: text, networks, headers }, setup) {
    const own = new Networks(networks), records = new KeyRecords();
    const key = readOne({ domain, selector, key: text }, setup);
    const ours = ({ identity, ip }: Origin) => identity !== null || ip === "" || own.has(ip);

    return {
      async deliver(ctx, next) {
        let told = "Not sealed: it begins here, and is signed";
        if (!ours(ctx.origin)) {
          told = "No next hop was reached, so nothing was sealed";
          const { host: { name: host }, dns, tries } = ctx, now = ctx.now();
          ctx.sign(async (content) => {
            const results = ownResults(new SignedHeader(content.head), host);
            const txt = (name: string) => dns.txt(name);
            const cv = await validation(content, { results, now, txt, records, patient: tries < PATIENT });
            told = cv === null
              ? "Not sealed: nobody can say what the chain is worth that it has"
              : `Sealed for ${domain} with ${selector}; the chain before: ${cv}`;
            if (cv === null) return "";
            const fields = (section: SignedHeader["section"]) => signedFields(section, ["DKIM-Signature", ...headers]);
            return await seal(content, { key, host, results, cv, now, fields }) ?? "";
          });
        }
        const reply = await next(); // signers run behind it: what they did is known then
        ctx.note(told);
        return reply;
      },
    };
  },
});

interface Known {
  /** What this site found when the message came. */
  readonly results: readonly string[];
  readonly now: number;
  readonly txt: (name: string) => Promise<readonly string[]>;
  readonly records: KeyRecords;
  /** Whether to wait for name service. */
  readonly patient: boolean;
}

/**
 * What the chain came to: when the message came, for here it may have been changed already; checked now where nobody did.
 * Null: nobody knows.
 *
 * @throws {Error} when it is worth to wait: the attempt is put off.
 */
async function validation(content: Content, { results, patient, ...door }: Known): Promise<ChainValidation | null> {
  const found = arcResult(results);
  if (found === "pass" || found === "fail" || found === "none") return found;
  const { cv, temporary } = await verifyChain(content, door);
  if (!temporary) return cv;
  if (patient) throw new Error("name service did not say what the chain of ARC is worth that this message has");
  return null;
}

type Entry = Parameters<typeof readKeys>[0][number];

/** @throws {OptionsError} with the place that the fault has here. */
function readOne(entry: Entry, setup: Parameters<typeof readKeys>[1]) {
  try {
    return readKeys([entry], setup)[0]!;
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    throw new OptionsError(error.issues.map(({ path, message }) => ({ path: path.slice(2), message })));
  }
}

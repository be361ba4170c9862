/**
 * What is remembered of mail that leaves with a signed return path, so that a report can be told from a forgery: of a
 * Message-ID how many got it, and of one alone who, and from whom; of a path that names its recipient, whom. Nobody else
 * has seen these but who got the mail: only about himself can he forge a report. Names are digests, of bounded length.
 */
import { type Address, type Counters, formatAddress, parseAddress, sameAddress } from "../../../core/pipeline/mod.ts";
import { isTagged, untagged } from "../../access/bounce/key.ts";

/** One recipient of an attempt, and the return path that it gets. */
export interface Outgoing {
  readonly recipient: Address;
  readonly path: Address | null;
}

const LONGEST_ID = 1000;

export class Sent {
  /** How long it is remembered, seconds. */
  constructor(readonly seconds: number) {}

  /** At the first attempt of a message. One whose number is counted too high proves nothing, and that is all. */
  async remember(store: Counters, messageId: string | null, outgoing: readonly Outgoing[]): Promise<void> {
    const options = { seconds: this.seconds };
    const signed = outgoing.flatMap(({ recipient, path }) =>
      path !== null && isTagged(path) ? [{ recipient, path }] : []
    );
    const [first] = signed;
    if (messageId !== null && messageId.length <= LONGEST_ID && first !== undefined) {
      const name = await digest(messageId);
      const sum = await store.add(`sent ${name}`, outgoing.length, options);
      const pair = `${formatAddress(first.recipient)}\n${formatAddress(untagged(first.path))}`;
      if (sum === 1) await store.put(`to ${name}`, pair, options);
    }
    for (const { recipient, path } of signed) {
      if (!names(path, recipient)) continue;
      // An entry for each recipient: two threads that write at once take nothing from each other
      const to = formatAddress(recipient);
      const name = `path ${await digest(formatAddress(path).toLowerCase())} ${await digest(to)}`;
      if (await store.get(name) === undefined) await store.put(name, to, options);
    }
  }

  /** Whether mail with that Message-ID left here lately. */
  async isOurs(store: Counters, messageId: string): Promise<boolean> {
    return await store.get(`sent ${await digest(messageId)}`) !== undefined;
  }
  /**
   * The one who got the mail with that Message-ID; null when there were several, or none, or when it was not from `sender`:
   * with somebody else's mail, whose id he chose himself, nobody proves anything about ours.
   */
  async soleRecipient(store: Counters, messageId: string, sender?: Address): Promise<Address | null> {
    const name = await digest(messageId);
    if (await store.get(`sent ${name}`) !== "1") return null;
    const [recipient = "", path = ""] = (await store.get(`to ${name}`) ?? "").split("\n");
    const from = parseAddress(path);
    if (sender !== undefined && (from === null || !sameAddress(from, sender))) return null;
    return parseAddress(recipient);
  }
  /** The one to whom a signed return path was given; null for every other path. */
  async recipientOf(store: Counters, path: Address): Promise<Address | null> {
    if (!isTagged(path)) return null;
    const prefix = `path ${await digest(formatAddress(path).toLowerCase())} `;
    const [only, another] = await store.list({ prefix, limit: 2 });
    return only === undefined || another !== undefined ? null : parseAddress(only.value);
  }
}

/** A path that was signed, and was made for this recipient: `...=far.example` as `verp` writes it. */
function names(path: Address, { domain }: Address): boolean {
  return path.local.includes("+") && path.local.toLowerCase().endsWith(`=${domain}`);
}

async function digest(text: string): Promise<string> {
  const octets = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text.trim().slice(0, LONGEST_ID + 1)));
  return new Uint8Array(octets, 0, 20).toHex();
}

/**
 * The mailboxes that a From or Sender field names: the grammar of RFC 5322 3.4 with groups (RFC 6854) and the obsolete
 * forms of 4.4, read as leniently as mail programs read it. One pass over the octets, no recursion; counting takes
 * constant memory. Non-job: which field it is, who may stand in it.
 */
import { type Address, formatAddress, parseAddress } from "./address.ts";

/** What a field body names. */
export interface Mailboxes {
  /** How many mailboxes a reader may see in it. */
  readonly count: number;
  /** Something does not fit the grammar: an open quote, text behind an address, an encoded-word inside one. */
  readonly malformed: boolean;
}

const encoder = new TextEncoder(), decoder = new TextDecoder();
/** Gives every character back, a mark of the byte order too. */
const exact = new TextDecoder("utf-8", { ignoreBOM: true });
const SPECIALS = new Set("<>@,;:.");

/**
 * Counts the mailboxes of the body of From, Sender, To and the like (RFC 5322 3.4, obsolete forms too), groups taken apart.
 * Linear, whatever it is given.
 *
 * @example
 * ```ts
 * import { countMailboxes } from "postern";
 * import { assertEquals } from "@std/assert";
 * const read = (body: string) => countMailboxes(new TextEncoder().encode(body));
 * assertEquals(read("Ann <a@example.org>, b@example.net").count, 2);
 * assertEquals(read("<a@example.org> <b@example.net>").malformed, true);
 * ```
 */
export function countMailboxes(octets: Uint8Array): Mailboxes {
  return readMailboxes(octets, null);
}

/**
 * The addresses of a field's value, in their order, one that stands unquoted where a display name belongs among them; null when it does not fit the grammar, or names one that no envelope
 * could: whoever trusts in an address must not guess at it.
 *
 * @example
 * ```ts
 * import { mailboxesIn } from "postern";
 * import { assertEquals } from "@std/assert";
 * const addresses = mailboxesIn('"Smith, A." <a@Example.ORG>, team: b@example.net;');
 * assertEquals(addresses, [{ local: "a", domain: "example.org" }, { local: "b", domain: "example.net" }]);
 * assertEquals(mailboxesIn("<a@example.org> <b@example.net>"), null);
 * ```
 */
export function mailboxesIn(value: string): readonly Address[] | null {
  const found: Found[] = [];
  if (readMailboxes(encoder.encode(value), found).malformed) return null;
  const addresses = found.map(({ text }) => parseAddress(text)).filter((each) => each !== null && each.domain !== "");
  return addresses.length === found.length ? addresses as Address[] : null;
}

/**
 * The field's value with other addresses: `change` is asked about each, and null keeps it. Names, comments and white
 * space around an address stay octet for octet, and so does an address that stands where a name belongs. Null when the
 * value does not fit the grammar.
 *
 * @example
 * ```ts
 * import { replaceMailboxes } from "postern";
 * import { assertEquals } from "@std/assert";
 * const change = ({ local }: { local: string }) => ({ local, domain: "example.org" });
 * assertEquals(replaceMailboxes('"A, B" <a@old.example> (x), b@old.example', change), '"A, B" <a@example.org> (x), b@example.org');
 * ```
 */
export function replaceMailboxes(value: string, change: (address: Address) => Address | null): string | null {
  const octets = encoder.encode(value), found: Found[] = [];
  if (readMailboxes(octets, found).malformed) return null;
  let out = "", from = 0;
  for (const { text, start, end, isName } of found) {
    const address = isName ? null : parseAddress(text), other = address && change(address);
    if (other === null) continue;
    out += exact.decode(octets.subarray(from, start)) + formatAddress(other);
    from = end;
  }
  return out + exact.decode(octets.subarray(from));
}

/** An address as it stands in the octets. */
interface Found {
  /** Without comments and white space. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** It stands unquoted before a `<`: a name to some readers, the address to others. */
  readonly isName: boolean;
}

/** `found`: takes each address, when they are wanted. */
function readMailboxes(octets: Uint8Array, found: Found[] | null): Mailboxes {
  const tokens = new Tokens(octets);
  let count = 0, malformed = false, group = false;
  // The element between two commas: words before and after its "@", and whether its <...> is open or closed.
  let before = 0, ats = 0, after = 0, encoded = false, inWord = false, apart = false;
  let angle: "none" | "open" | "closed" = "none", address = "", start = 0, end = 0;
  /** Inside <...>, a list of domains that ends with ":" may stand before the address. */
  let route = false;
  const clear = () => {
    before = ats = after = 0;
    encoded = apart = false;
    address = "";
  };
  const finish = () => {
    const mailbox = ats === 1 && before > 0 && after > 0;
    if (mailbox) {
      count++;
      found?.push({ text: address, start, end, isName: false });
    }
    if (!mailbox && (before > 0 || ats > 0 || angle !== "none")) malformed = true; // words alone, or `<>`
    if (angle === "open" || ats > 0 && (encoded || apart)) malformed = true; // RFC 2047 5: no encoded-word in addr-spec
    clear();
    angle = "none";
  };
  for (let token = tokens.next(); token !== "end"; token = tokens.next()) {
    if (found !== null && angle !== "closed" && IN_ADDRESS.has(token)) {
      if (address === "") start = tokens.start;
      end = tokens.end;
      address += tokens.text;
    }
    switch (token) {
      case "word":
      case "encoded":
        if (angle === "closed") { // <a@b> c
          malformed = true;
          break;
        }
        if (ats === 0) before++;
        else after++;
        encoded ||= token === "encoded";
        apart ||= inWord; // two words without a dot between: a b@c
        inWord = true;
        continue;
      case "@":
        if (angle === "closed") malformed = true;
        else ats++;
        break;
      case "<": // what stood before it was a display name
        if (angle !== "none") malformed = true;
        if (ats > 0 && found !== null) { // without quotes some readers take it for the address: it has to be as good
          found.push({ text: address, start, end, isName: true });
          if (ats !== 1 || before === 0 || after === 0 || encoded || apart) malformed = true;
        }
        clear();
        angle = "open";
        route = false;
        break;
      case ">":
        if (angle !== "open" || route) malformed = true;
        angle = "closed";
        break;
      case ",":
        if (angle === "open") { // obs-route: <@one,@two:local@domain>                                RFC 5322 4.4
          if (before > 0 || ats !== 1 && ats + after > 0) malformed = true; // no domain, but an address
          route = true;
          clear();
        } else finish();
        break;
      case ":":
        if (angle !== "open") { // group = display-name ":" [group-list] ";"
          if (group || before === 0 || ats > 0 || angle === "closed") malformed = true;
          group = true;
          angle = "none";
        } else if (before > 0 || ats !== 1 || after === 0) malformed = true;
        else route = false;
        clear();
        break;
      case ";":
        if (!group) malformed = true;
        finish();
        group = false;
        break;
    }
    inWord = false;
  }
  finish();
  return { count, malformed: malformed || tokens.unclosed };
}

type Token = "word" | "encoded" | "end" | "<" | ">" | "@" | "," | ";" | ":" | ".";

const IN_ADDRESS: ReadonlySet<Token> = new Set(["word", "encoded", "@", "."]);

/** Words (atoms, quoted strings, domain literals) and specials; white space and comments left out. */
class Tokens {
  /** A quote, comment or literal had no end, or a comment no beginning. */
  unclosed = false;
  #at = 0;
  /** Where the last one began. */
  #start = 0;

  constructor(readonly octets: Uint8Array) {}

  /** Where the last one stands. */
  get start(): number {
    return this.#start;
  }
  get end(): number {
    return this.#at;
  }
  /** The last one as it was written. */
  get text(): string {
    return decoder.decode(this.octets.subarray(this.#start, this.#at));
  }

  next(): Token {
    for (; this.#at < this.octets.length; this.#at++) {
      const octet = this.octets[this.#at]!;
      if (octet <= 32) continue;
      this.#start = this.#at;
      const char = String.fromCharCode(octet);
      if (char === "(") this.#skip("(", ")");
      else if (char === ")") this.unclosed = true;
      else if (char === '"') return this.#word('"', '"');
      else if (char === "[") return this.#word("", "]");
      else if (SPECIALS.has(char)) {
        this.#at++;
        return char as Token;
      } else return this.#atom();
    }
    return "end";
  }

  #word(open: string, close: string): "word" {
    this.#skip(open, close);
    this.#at++;
    return "word";
  }

  /** From an opening character to the closing one that belongs to it; comments nest (RFC 5322 3.2.2). */
  #skip(open: string, close: string): void {
    const opening = open === "(" ? 40 : -1, closing = close.charCodeAt(0);
    let depth = 1;
    for (this.#at++; this.#at < this.octets.length; this.#at++) {
      const octet = this.octets[this.#at];
      if (octet === 92) this.#at++; // quoted-pair
      else if (octet === opening) depth++;
      else if (octet === closing && --depth === 0) return;
    }
    this.unclosed = true;
  }

  #atom(): "word" | "encoded" {
    const start = this.#at;
    for (this.#at++; this.#at < this.octets.length; this.#at++) { // takes one octet at least, whatever it is
      const octet = this.octets[this.#at]!;
      if (octet <= 32 || ATOM_ENDS.has(octet)) break;
    }
    return this.octets[start] === 61 && this.octets[start + 1] === 63 ? "encoded" : "word"; // "=?"
  }
}
const ATOM_ENDS = new Set([...'<>@,;:.()"[]'].map((char) => char.charCodeAt(0)));

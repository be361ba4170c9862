/**
 * What a session and its transaction share: what is known of the peer, what was said and waits for an answer, what the
 * host is to be told. Non-job: deciding any of it (session.ts, open_transaction.ts).
 */
import type { ClientEvent } from "./events.ts";
import type { LoginOptions } from "./login.ts";
import { Output } from "./output.ts";
import { PeerExtensions } from "./peer_extensions.ts";
import type { Step } from "./steps.ts";

export interface ClientOptions {
  /** What we call ourselves in EHLO: a domain, or an address literal. */
  readonly hostname: string;
  /** LHLO, and a reply for each recipient behind the content (RFC 2033). */
  readonly lmtp?: boolean;
  /** Where TLS is not on from the start. `required`: without it no word of mail. */
  readonly tls: "never" | "if offered" | "required";
  /** Log in, or say nothing of mail. */
  readonly login?: LoginOptions;
  /** False: DATA even where BDAT is offered, as long as the content can go by it. */
  readonly chunking?: boolean;
  /** Milliseconds since 1970. */
  now(): number;
}

// RFC 5321 4.1.1.1: Domain / address-literal
const HOSTNAME = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9])?|\[[A-Za-z0-9.:]{1,100}\])$/;

export class Line {
  readonly options: ClientOptions;
  readonly output: Output = new Output();
  readonly told: ClientEvent[] = [];
  /** Steps that were said and are not answered yet, in order: so are the answers (RFC 2920 3.1). */
  awaited: Step[] = ["greeting"];
  peer: PeerExtensions = PeerExtensions.NONE;
  secure = false;
  identified = false;
  /** Domains of the recipients so far, as far as the peer counts them (RFC 9422 4.3). */
  readonly domains = new Set<string>();

  /** @throws {TypeError} when the host name is none (case 67). */
  constructor(options: ClientOptions) {
    if (!HOSTNAME.test(options.hostname)) throw new TypeError(`no host name: ${JSON.stringify(options.hostname)}`);
    this.options = options;
  }

  get lmtp(): boolean {
    return this.options.lmtp === true;
  }
  get pipelining(): boolean {
    return this.peer.has("PIPELINING");
  }

  say(step: Step, text: string): void {
    this.output.text(text);
    this.awaited.push(step);
  }
}

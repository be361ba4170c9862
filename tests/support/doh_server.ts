/**
 * A name server over HTTP on loopback for tests (RFC 8484 without TLS): a script says what it answers, octet by octet, or
 * how it breaks the rules of HTTP. Non-job: a real one (name_servers.ts starts Unbound).
 */
import { answer, type Asked, readQuestion, type RecordData, type Script, TXT } from "./dns_server.ts";

/** What it does instead of answering in order. */
export type Breaking = (octets: Uint8Array<ArrayBuffer>) => Response | null | Promise<Response | null>;

export class DohServer implements AsyncDisposable {
  readonly asked: Asked[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #end = new AbortController();

  constructor(script: Script, breaking: Breaking = () => null) {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, signal: this.#end.signal, onListen: () => {} },
      async (request) => {
        const octets = new Uint8Array(await request.arrayBuffer());
        const broken = await breaking(octets);
        if (broken !== null) return broken;
        const asked = readQuestion(octets);
        this.asked.push(asked);
        const [message] = script(asked);
        const headers = { "content-type": "application/dns-message" };
        return message === undefined
          ? new Response(null, { status: 500 })
          : new Response(message as Uint8Array<ArrayBuffer>, { headers });
      },
    );
  }
  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/dns-query`;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(); // whatever it still owes
    await this.#server.finished;
  }
}

/** Text records by their names; a name with null fails (SERVFAIL), all others do not exist. */
export function textZone(zone: Readonly<Record<string, readonly string[] | null>>): Script {
  return (asked) => {
    const found = zone[asked.name.toLowerCase()];
    if (found === null) return [answer(asked, [], { rcode: 2 })];
    if (found === undefined) return [answer(asked, [], { rcode: 3 })];
    return [answer(asked, asked.type === 16 ? found.map(inStrings) : [])];
  };
}

/** A string of DNS has 255 octets at most. */
function inStrings(text: string): RecordData {
  return TXT(...text.match(/[^]{1,255}/g) ?? [""]);
}

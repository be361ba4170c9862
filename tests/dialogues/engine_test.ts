/** Plays the scripts of this folder against the engine, without a socket; tests/e2e plays them against the server. */
import { assert } from "@std/assert";
import { accept } from "../../core/model/reply.ts";
import { ServerSession } from "../../core/smtp/server.ts";
import { lineMatches, parseDialogue } from "../support/dialogue.ts";
import { Offer } from "../../core/smtp/extensions.ts";
import { octets, serverOptions } from "../support/engine.ts";

class Peer {
  readonly #session = new ServerSession(
    serverOptions({ offer: new Offer({ size: 100_000, recipients: 100 }) }),
  );
  #output = "";
  closed = false;

  constructor() {
    this.#pump();
  }
  send(text: string): void {
    this.#session.receive(octets(text));
    this.#pump();
  }
  line(): string | null {
    const end = this.#output.indexOf("\r\n");
    if (end < 0) return null;
    const line = this.#output.slice(0, end);
    this.#output = this.#output.slice(end + 2);
    return line;
  }
  #pump(): void {
    for (let event = this.#session.next(); event !== null; event = this.#session.next()) {
      if (event.asks) this.#session.answer(accept());
      if (event.type === "close") this.closed = true;
    }
    this.#output += this.#session.takeOutput();
  }
}

for (const entry of [...Deno.readDirSync(new URL(".", import.meta.url))].filter((each) => each.name.endsWith(".txt"))) {
  Deno.test(`engine: ${entry.name}`, () => {
    const steps = parseDialogue(Deno.readTextFileSync(new URL(entry.name, import.meta.url)), entry.name);
    let peer = new Peer();
    for (const { at, does, text } of steps) {
      if (does === "new") peer = new Peer();
      else if (does === "send") peer.send(text);
      else if (does === "close") {
        assert(peer.closed && peer.line() === null, `${entry.name}:${at}: not closed, or more`);
      } else {
        const line = peer.line();
        assert(line !== null && lineMatches(text, line), `${entry.name}:${at}: "${line}" is not "${text}"`);
      }
    }
  });
}

/**
 * What a milter changes in a message, gathered while it speaks and made when it has said yes: sender, recipients, fields,
 * another body, quarantine. Each is told to observers where it is about who sends or who gets it.
 * Non-job: what it may ask for (session.ts), counting fields (headers.ts).
 */
import {
  type Address,
  type DataContext,
  formatAddress,
  parseAddress,
  type Recipient,
  sameAddress,
} from "../../../core/pipeline/mod.ts";
import type { Modification } from "./answers.ts";
import { Replacement } from "./body.ts";
import type { MilterHeaders } from "./headers.ts";
import { MilterError } from "./protocol.ts";

/** Recipients that it may add to a message: as many as any plugin. */
const MOST_ADDED = 100;

export class Changes {
  readonly #ctx: DataContext;
  readonly #name: string;
  readonly #headers: MilterHeaders;
  readonly #added: Address[] = [];
  readonly #dropped = new Set<Recipient>();
  #sender: Address | null = null;
  #held: string | null = null;
  #body: Replacement | null = null;
  readonly #notes: string[] = [];

  /** `name`: how the plugin is called in reasons. */
  constructor(ctx: DataContext, { name, headers }: { readonly name: string; readonly headers: MilterHeaders }) {
    this.#ctx = ctx;
    this.#name = name;
    this.#headers = headers;
  }

  /** @throws {MilterError} when it cannot be done. */
  async take(modification: Modification): Promise<void> {
    switch (modification.change) {
      case "add-header":
      case "insert-header":
      case "change-header":
        if (!this.#headers.change(modification)) this.#note(`no ${modification.name} to change`);
        return;
      case "sender": {
        const sender = addressIn(modification.path);
        // A report has nobody to answer to, and what becomes one would vanish when it fails            RFC 5321 4.5.5
        if (sender === null || this.#ctx.sender === null) return this.#note(`the sender stays <${this.#from}>`);
        if (modification.parameters) this.#note("parameters of MAIL stay as they are");
        this.#sender = sender;
        return;
      }
      case "add-recipient": {
        const recipient = addressIn(modification.path);
        if (recipient === null) throw new MilterError("it adds a recipient that is none");
        if (modification.parameters) this.#note("a recipient is added without parameters");
        if (this.#added.length === MOST_ADDED) throw new MilterError("it adds too many recipients");
        this.#added.push(recipient);
        return;
      }
      case "delete-recipient":
        return this.#delete(addressIn(modification.path));
      case "body":
        this.#body ??= new Replacement(this.#ctx, this.#name);
        return await this.#body.push(modification.chunk);
      case "quarantine":
        this.#held = modification.reason.replace(/\p{Cc}+/gu, " ").trim().slice(0, 200);
    }
  }

  #delete(address: Address | null): void {
    if (address === null) throw new MilterError("it deletes a recipient that is none");
    for (let at = this.#added.length - 1; at >= 0; at--) {
      if (sameAddress(this.#added[at]!, address)) this.#added.splice(at, 1);
    }
    for (const recipient of this.#ctx.recipients) {
      const named = sameAddress(recipient.address, address) || sameAddress(recipient.original, address);
      if (named && recipient.result === null) this.#dropped.add(recipient);
    }
  }

  /** The milter said yes: all of it. What may fail comes first, so that nothing is done by halves. */
  async make(): Promise<void> {
    const ctx = this.#ctx, changes = this.#headers.changes;
    if (changes.length > 0 && !this.#headers.isOf(ctx.message.headerOctets)) {
      throw new Error("others changed the header meanwhile: parallel");
    }
    for (const address of this.#added) ctx.copyTo(address);
    await this.#body?.finish();
    if (this.#sender !== null) {
      this.#note(`sender <${this.#from}> is now <${formatAddress(this.#sender)}>`);
      ctx.reversePath(this.#sender);
    }
    for (const recipient of this.#dropped) {
      this.#note(`took <${formatAddress(recipient.address)}> away`);
      ctx.drop(recipient);
    }
    for (const address of this.#added) this.#note(`added <${formatAddress(address)}>`);
    if (changes.length > 0) ctx.changeFields(changes);
    if (this.#held !== null) ctx.hold(`${this.#name}: ${this.#held || "quarantined"}`);
    for (const note of this.#notes) ctx.score(0, `${this.#name}: ${note}`); // no points, but a line for people
  }

  /** The milter failed, or said no: nothing of it. */
  async abandon(why: unknown): Promise<void> {
    await this.#body?.abandon(why);
  }

  get #from(): string {
    return formatAddress(this.#ctx.sender);
  }
  #note(note: string): void {
    if (this.#notes.length < 100 && !this.#notes.includes(note)) this.#notes.push(note);
  }
}

/** With its brackets or without; null for `<>` and what is no address. */
function addressIn(path: string): Address | null {
  const text = path.trim();
  return parseAddress(text.startsWith("<") && text.endsWith(">") ? text.slice(1, -1) : text);
}

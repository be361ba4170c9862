/** A terminal in memory: what was printed, what is typed, signals by hand. */
import type { ExitCode, Keys, Screen, Terminal } from "../../../cli/terminal.ts";

export class FakeTerminal implements Terminal {
  readonly printed: string[] = [];
  readonly complaints: string[] = [];
  readonly exits: ExitCode[] = [];
  readonly #handlers = new Map<string, Set<() => void>>();
  readonly #decoder = new TextDecoder();
  #logged = "";

  constructor(
    readonly options: {
      readonly env?: Record<string, string>;
      readonly cwd?: string;
      readonly input?: string;
      readonly typed?: readonly string[];
      /** What is answered to questions; no terminal without it. */
      readonly answers?: readonly string[];
      readonly screen?: Screen;
    } = {},
  ) {}
  get env(): Record<string, string> {
    return this.options.env ?? {};
  }
  get cwd(): string {
    return this.options.cwd ?? import.meta.dirname!;
  }
  out(text: string): void {
    this.printed.push(text);
  }
  err(text: string): void {
    this.complaints.push(text);
  }
  input(): Promise<Uint8Array> {
    return Promise.resolve(new TextEncoder().encode(this.options.input ?? ""));
  }
  async *stream(): AsyncGenerator<Uint8Array> {
    yield await this.input();
  }
  octets(octets: Uint8Array): void {
    this.printed.push(new TextDecoder().decode(octets));
  }
  readonly asked: string[] = [];
  /** The next of `typed`; no terminal without it. */
  secret(prompt: string): Promise<string | null> {
    if (this.options.typed === undefined) return Promise.resolve(null);
    return Promise.resolve(this.options.typed[this.asked.push(prompt) - 1]!);
  }
  get interactive(): boolean {
    return this.options.answers !== undefined;
  }
  ask(question: string): Promise<string | null> {
    if (this.options.answers === undefined) return Promise.resolve(null);
    return Promise.resolve(this.options.answers[this.asked.push(question) - 1]!);
  }
  keys(): Keys | null {
    return null;
  }
  screen(): Screen | null {
    return this.options.screen ?? null;
  }
  readonly log = {
    write: (bytes: Uint8Array): Promise<number> => {
      this.#logged += this.#decoder.decode(bytes, { stream: true });
      return Promise.resolve(bytes.length);
    },
  };
  get logged(): string {
    return this.#logged;
  }
  onSignal(signal: string, handler: () => void): () => void {
    const handlers = this.#handlers.get(signal) ?? new Set();
    this.#handlers.set(signal, handlers.add(handler));
    return () => handlers.delete(handler);
  }
  /** How many were listening. */
  signal(signal: string): number {
    const handlers = [...this.#handlers.get(signal) ?? []];
    for (const handler of handlers) handler();
    return handlers.length;
  }
  exit(code: ExitCode): void {
    this.exits.push(code);
  }
  get text(): string {
    return this.printed.join("\n");
  }
}

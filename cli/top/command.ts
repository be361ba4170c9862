/**
 * `postern top`: a running server live in the terminal, drawn anew each second; without a terminal, or with `--once`, one
 * picture. Keys: q, p, s. The terminal is given back as it was, however it ends. Non-job: what is shown (frame.ts).
 */
import { Command, Option } from "commander";
import { loadConfig } from "../../core/config/load.ts";
import { type AdminApi, ApiError, runningServer } from "../admin_api.ts";
import { painter } from "../screen/colour.ts";
import { CommandError, DONE, type ExitCode, type Keys, type Terminal, USAGE } from "../terminal.ts";
import { lookAt } from "./feed.ts";
import { frameOf, type Look, type Sort, SORTS } from "./frame.ts";

interface TopOptions {
  readonly config?: string;
  readonly once?: true;
  readonly sort: Sort;
  readonly every: string;
}
/** Columns where no terminal says how many it has. */
const WIDTH = 120;
/** Looks that may fail one after another. */
const FAILURES = 30;

export function topCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  return new Command("top")
    .description("watch a running server: rates, verdicts, queue, plugins, refusals")
    .option("-c, --config <file>", "configuration file of the server")
    .option("--once", "print one picture and end; so it is without a terminal")
    .addOption(new Option("--sort <column>", "order of the plugins").choices(SORTS).default("time"))
    .option("--every <seconds>", "between two pictures", "1")
    .action(async (options: TopOptions) => finish(await top(options, terminal)));
}

async function top(options: TopOptions, terminal: Terminal): Promise<ExitCode> {
  const seconds = Number(options.every);
  if (!(seconds >= 0.5 && seconds <= 3600)) throw new CommandError("--every: must be 0.5 to 3600", USAGE);
  const file = options.config === undefined ? {} : { file: options.config };
  const api = await runningServer(await loadConfig({ ...file, env: terminal.env, cwd: terminal.cwd }));
  if (api === null) throw new CommandError("no server answers: start it, or name its configuration with --config");
  const keys = options.once || terminal.screen() === null ? null : terminal.keys();
  if (keys === null) {
    const look = await lookAt(api, null, new AbortController().signal);
    const view = { columns: terminal.screen()?.columns ?? WIDTH, rows: null, sort: options.sort, paused: false };
    for (const line of frameOf(look, { ...view, paint: painter(terminal) })) terminal.out(line);
    return DONE;
  }
  await new Screen(api, terminal, { sort: options.sort, every: seconds * 1000 }).run(keys);
  return DONE;
}

/** Another screen, without a cursor and without folding lines; and back. */
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l", LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l";
const utf8 = new TextEncoder();

class Screen {
  readonly #api: AdminApi;
  readonly #terminal: Terminal;
  readonly #every: number;
  readonly #stop = new AbortController();
  #sort: Sort;
  #paused = false;
  #look: Look | null = null;
  #wake = () => {};

  constructor(api: AdminApi, terminal: Terminal, { sort, every }: { readonly sort: Sort; readonly every: number }) {
    this.#api = api;
    this.#terminal = terminal;
    this.#sort = sort;
    this.#every = every;
  }

  /** Until q, Ctrl-C or a signal. @throws {CommandError} when the server is gone for good. */
  async run(keys: Keys): Promise<void> {
    const end = () => {
      this.#stop.abort();
      this.#wake();
    };
    const offs = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((signal) => this.#terminal.onSignal(signal, end));
    offs.push(this.#terminal.onSignal("SIGWINCH", () => this.#draw()));
    this.#write(ENTER);
    try {
      void this.#listen(keys, end);
      await this.#watch();
    } finally {
      this.#write(LEAVE);
      keys[Symbol.dispose]();
      for (const off of offs) off();
    }
  }

  async #watch(): Promise<void> {
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      if (!this.#paused) {
        try {
          this.#look = await lookAt(this.#api, this.#look, this.#stop.signal);
          failures = 0;
        } catch (error) {
          if (this.#stop.signal.aborted) return;
          if (this.#look === null || error instanceof ApiError && error.status === 401 || ++failures > FAILURES) {
            throw error;
          }
          this.#look = { ...this.#look, trouble: error instanceof CommandError ? error.message : "it does not answer" };
        }
        this.#draw();
      }
      let timer;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(resolve, this.#every);
      });
      clearTimeout(timer);
    }
  }

  async #listen(keys: Keys, end: () => void): Promise<void> {
    try {
      for await (const octets of keys) {
        for (const octet of octets) this.#pressed(String.fromCharCode(octet), end);
        if (this.#stop.signal.aborted) return;
      }
    } catch { /* the terminal is gone */ }
    end();
  }
  #pressed(key: string, end: () => void): void {
    if (key === "q" || key === "Q" || key === "\x03" || key === "\x04") return end();
    if (key === "p" || key === " ") this.#paused = !this.#paused;
    else if (key === "s") this.#sort = SORTS[(SORTS.indexOf(this.#sort) + 1) % SORTS.length]!;
    else return;
    this.#draw();
    if (key !== "s" && !this.#paused) this.#wake();
  }

  #draw(): void {
    const size = this.#terminal.screen();
    if (this.#look === null || size === null || this.#stop.signal.aborted) return;
    const view = { ...size, sort: this.#sort, paused: this.#paused, paint: painter(this.#terminal) };
    const lines = frameOf(this.#look, view).slice(0, size.rows);
    this.#write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join("\r\n")}\x1b[J`);
  }
  #write(text: string): void {
    this.#terminal.octets(utf8.encode(text));
  }
}

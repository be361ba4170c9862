/**
 * The main thread of a child: frames of its standard input go to a Worker that has exactly the plugin's permissions; what
 * that answers it writes itself, a thread less to wake. It watches the size of the process, which a loop in the
 * Worker cannot stop, and ends with its input, so that no server leaves it behind.
 * Non-job: what the Worker does with them (inside.ts), the bounds of what it may say (channel.ts).
 */
import { rootUrl } from "../../packed/root_url.ts";
import type { Permissions } from "../channel.ts";
import { frameOf, FrameReader } from "./frames.ts";
import { TOO_MUCH, writeAll } from "./output.ts";

/** What the host says first, as a control frame. */
export interface Beginning {
  readonly name: string;
  /** URL of the module that stands before the root (inside.ts). */
  readonly inside: string;
  /** JavaScript: the root module of the Worker. */
  readonly root: string;
  readonly permissions: Permissions;
  /** What it may read, and load modules from, until its modules are loaded (../channel.ts). */
  readonly loading: readonly string[];
  readonly hosts: readonly string[];
  /** Octets that the process may grow by; null: no bound. */
  readonly memory: number | null;
}
/** What this thread says, as control frames. */
export type Word =
  /** Why it ends. */
  { readonly why: string };

/** The host is trusted to send nothing longer; a frame of it may be as long as a message. */
const BOUNDS = { text: 0x7fff_ffff, parts: 0xffff, octets: 0x7fff_ffff };
/** Between two looks at the size, milliseconds, while it grows; while it does not, since a hundred wakes cost a percent. */
const LOOK = 10, SELDOM = 40;
const MIB = 1024 * 1024;
/** Between two collections, milliseconds: one takes some 5. */
const COLLECT = 50;

/** Serves until standard input ends. */
export async function serveChild(): Promise<never> {
  outlastSignals();
  const frames = new FrameReader(BOUNDS), buffer = new Uint8Array(65_536);
  let worker: Worker | null = null;
  for (;;) {
    const length = await Deno.stdin.read(buffer);
    if (length === null) Deno.exit(0);
    for (const { kind, text, parts } of frames.read(buffer.subarray(0, length))) {
      if (kind === "control") worker = begin(JSON.parse(text));
      else worker?.postMessage(parts.length === 0 ? text : [text, ...parts], parts.map(({ buffer }) => buffer));
    }
  }
}

/**
 * A terminal and systemd send these to all processes of the server: it goes on with the messages that are under way, and
 * its plugins with it.
 */
function outlastSignals(): void {
  if (Deno.build.os === "windows") return;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) Deno.addSignalListener(signal, () => {});
}

function begin({ name, inside, root, permissions, loading, hosts, memory }: Beginning): Worker {
  const base = Deno.memoryUsage().rss;
  const { net, read, env } = permissions;
  const source = `import ${JSON.stringify(inside)};\n${root}`;
  const worker = new Worker(rootUrl(source, inside.startsWith("data:")), {
    type: "module",
    name,
    deno: {
      permissions: {
        net: [...net],
        read: [...read, ...loading],
        env: [...env],
        write: false,
        run: false,
        ffi: false,
        sys: false,
        import: hosts.length > 0 ? [...hosts] : false,
      },
    },
  });
  if (memory !== null) watch(worker, base, memory);
  worker.onmessage = giveUp; // it is loaded
  worker.onerror = (event) => {
    event.preventDefault();
    end(event.message);
  };
  return worker;
}

/** What this thread may do was for the Worker, which has it by now. */
function giveUp(): void {
  for (const name of ["read", "write", "net", "env", "run", "sys", "ffi"] as const) {
    Deno.permissions.revokeSync({ name });
  }
}

/**
 * V8 lets octets outside its heap wait for a collection until they are some 100 MiB: from half the bound on it is made to
 * collect, here and in the Worker. There it runs when the code inside lets go of the thread; who does not, is ended.
 */
function watch(worker: Worker, base: number, memory: number): void {
  const collect = (globalThis as { gc?: () => void }).gc ?? (() => {});
  let collected = 0, before = base;
  const look = () => {
    const { rss } = Deno.memoryUsage();
    if (rss > base + memory) Deno.exit(TOO_MUCH); // without a word: the Worker may be within one
    if (rss > base + memory / 2 && performance.now() - collected > COLLECT) {
      collected = performance.now();
      worker.postMessage(null);
      collect();
    }
    setTimeout(look, rss > before + MIB ? LOOK : SELDOM);
    before = rss;
  };
  look();
}

/** The Worker is gone and writes no more. */
function end(why: string): never {
  const word: Word = { why };
  try {
    for (const piece of frameOf({ kind: "control", text: JSON.stringify(word), parts: [] })) writeAll(piece);
  } catch {
    // nobody reads any more
  }
  Deno.exit(1);
}

if (import.meta.main) await serveChild();

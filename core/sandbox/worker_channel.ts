/**
 * A channel to a Worker with permissions of its own. It has no bound on its memory: a heap that is full ends the process.
 * Non-job: what is said on it (wire.ts).
 */
import { carried } from "../packed/contents.ts";
import { rootUrl } from "../packed/root_url.ts";
import { type Channel, ChannelError, type ChannelSpec, type Permissions } from "./channel.ts";

/** As `OpenChannel`. */
export function openWorker({ name, root, permissions: may, loading = [], hosts = [] }: ChannelSpec): Channel {
  const given = (list: readonly string[]) => list.length > 0 ? [...list] : false;
  const permissions: Deno.PermissionOptions = {
    net: given(may.net),
    read: given([...may.read, ...loading]),
    env: given(may.env),
    write: false,
    run: false,
    ffi: false,
    sys: false,
    import: given(hosts),
  };
  const options: WorkerOptions = { type: "module", name, deno: { permissions } };
  return new WorkerChannel(started(rootUrl(root, carried() !== null), options, may));
}

/** What this server would have to be started with. */
function lacking({ net, read, env }: Permissions): string {
  const flags = Object.entries({ net, read, env }).filter(([, list]) => list.length > 0)
    .map(([name, list]) => `--allow-${name}=${list.join(",")}`);
  return `this server lacks a permission that the sandbox would have: start it with ${flags.join(" ")}`;
}

function started(url: string, options: WorkerOptions, permissions: Permissions): Worker {
  try {
    return new Worker(url, options);
  } catch (error) {
    const { name, message } = error as Error;
    if (name === "NotCapable" || /escalate/.test(message)) {
      throw new ChannelError(lacking(permissions));
    }
    throw error;
  }
}

class WorkerChannel implements Channel {
  onmessage: Channel["onmessage"] = () => {};
  onend: Channel["onend"] = () => {};
  readonly #worker: Worker;
  #ended = false;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.onmessage = ({ data }) => this.onmessage(data);
    worker.onmessageerror = () => this.#end("it posted what cannot be read");
    worker.onerror = (event) => {
      event.preventDefault(); // else it is this thread's error too
      this.#end(plain(event.message));
    };
  }

  post(message: unknown, transfer: readonly ArrayBuffer[] = []): void {
    if (this.#ended) return;
    if (transfer.length === 0) this.#worker.postMessage(message);
    else this.#worker.postMessage(message, [...transfer]);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#worker.onmessage = null;
    this.#worker.terminate();
  }

  #end(why: string): void {
    if (this.#ended) return;
    this.end();
    this.onend(why);
  }
}

/** The first line of what the runtime says, without its colours. */
function plain(message: string): string {
  return message.replaceAll(/\u001b\[[\d;]*m/g, "").replace(/^Uncaught (?:\(in promise\) )?/, "").split("\n", 1)[0]!;
}

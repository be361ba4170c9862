/**
 * The load generator and the sink in C (tools/), compiled into .build/ when their source is newer, and the key pair
 * of the servers. Job: build, run, parse the one line of JSON that smtpload prints. Non-job: what to load (workloads.ts).
 */

export const BENCH = new URL(".", import.meta.url).pathname.replace(/\/$/, "");
export const BUILD = `${BENCH}/.build`;

/** Compiles `name`.c when needed and returns the program's path. @throws with the compiler's words. */
export async function compiled(name: "smtpload" | "smtpsink"): Promise<string> {
  const source = `${BENCH}/tools/${name}.c`, program = `${BUILD}/${name}`;
  await Deno.mkdir(BUILD, { recursive: true });
  const built = await Deno.stat(program).catch(() => null);
  if (built && built.mtime! > (await Deno.stat(source)).mtime!) return program;
  const tls = name === "smtpload" ? ["-lssl", "-lcrypto"] : [];
  await run("cc", "-O2", "-Wall", "-o", program, source, ...tls);
  return program;
}

async function run(program: string, ...args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args: [...args], stdout: "null" }).output();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** Files of a key and its certificate in PEM, P-256 and self-signed: what all servers under measurement show. */
export interface KeyPair {
  readonly key: string;
  readonly cert: string;
}

/** Made once. */
export async function keyPair(): Promise<KeyPair> {
  const key = `${BUILD}/tls_key.pem`, cert = `${BUILD}/tls_cert.pem`;
  const made = await Deno.stat(cert).catch(() => null);
  if (made && Date.now() - made.mtime!.getTime() < 300 * 86_400_000) return { key, cert };
  await Deno.mkdir(BUILD, { recursive: true });
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const name = ["-subj", "/CN=mx.bench.example", "-addext", "subjectAltName=DNS:mx.bench.example"];
  await run("openssl", "req", "-x509", ...curve, "-days", "365", ...name, "-keyout", key, "-out", cert);
  return { key, cert };
}

export interface LoadResult {
  readonly ok: number;
  readonly failed: number;
  /** Connections without progress for the time of --timeout. */
  readonly hung: number;
  readonly conns_opened: number;
  /** Connections that reached the 221. */
  readonly conns_clean: number;
  /** TLS sessions that were resumed. */
  readonly resumed?: number;
  readonly elapsed_s: number;
  /** The first connect, CLOCK_MONOTONIC seconds. */
  readonly t_begin: number;
  readonly msgs_s: number;
  readonly lat_ms: { readonly p50?: number; readonly p99?: number };
  readonly errors: Readonly<Record<string, number>>;
  readonly cpu_user_s: number;
  readonly cpu_sys_s: number;
}

/** Runs smtpload to its end. */
export async function load(port: number, args: readonly string[]): Promise<LoadResult> {
  const { stdout, stderr } = await new Deno.Command(await compiled("smtpload"), {
    args: ["--port", String(port), ...args],
  }).output();
  const last = new TextDecoder().decode(stdout).trim().split("\n").at(-1) ?? "";
  if (!last.startsWith("{")) throw new Error(`smtpload: ${last} ${new TextDecoder().decode(stderr)}`);
  return JSON.parse(last);
}

/**
 * Mail servers that cannot be installed beside Postfix, unpacked by .ci/peers: each runs in a mount namespace in which it
 * has the accounts and folders that its package would have made. The system's own are not touched. Root only, as these
 * servers are. Non-job: their configurations (exim.ts, opensmtpd.ts).
 */
import { fromFileUrl } from "./paths.ts";

const PLACE = fromFileUrl(new URL("../../.ci/unpacked/", import.meta.url)).replace(/\/$/, "");

/** Program -> where it lies among the unpacked. */
const PROGRAMS = { exim4: "usr/sbin/exim4", smtpd: "usr/sbin/smtpd", smtpctl: "usr/sbin/smtpctl" } as const;
type Unpacked = keyof typeof PROGRAMS;

export function unpacked(program: Unpacked): string {
  return `${PLACE}/${PROGRAMS[program]}`;
}

/** A folder of the unpacked, such as usr/libexec. */
export function unpackedFolder(name: string): string {
  return `${PLACE}/${name}`;
}

/** The version of an unpacked package, or "?". */
export function unpackedVersion(name: string): string {
  try {
    return Deno.readTextFileSync(`${PLACE}/${name}.version`).trim();
  } catch {
    return "?";
  }
}

/** What a test with it lacks, or null: for `testUnless`. */
export function whatLacks(program: Unpacked): string | null {
  try {
    Deno.statSync(unpacked(program));
  } catch {
    return `${program}: bash .ci/peers`;
  }
  if (Deno.uid() !== 0) return `root: ${program} starts as nobody else`;
  return whatWorldLacks();
}

/** What `inWorld` lacks, or null. */
export function whatWorldLacks(): string | null {
  if (Deno.uid() !== 0) return "root: others have no world of their own";
  return mayUnshare() ? null : "the right to unshare: in a container with CAP_SYS_ADMIN";
}

let asked: boolean | undefined;
function mayUnshare(): boolean {
  return asked ??= (() => {
    try {
      return new Deno.Command("unshare", { args: ["--mount", "true"], stderr: "null" }).outputSync().success;
    } catch {
      return false; // there is no such program
    }
  })();
}

/** What a server finds instead of what the system has. */
export interface World {
  /** Accounts that are there too, with a group of the same name each, and their homes. */
  readonly accounts: Readonly<Record<string, { readonly id: number; readonly home?: string }>>;
  /** Folders of the system and those that lie over them. */
  readonly over?: Readonly<Record<string, string>>;
}

/** The command that runs `command` in that world, as the same process; what it needs for that is put into `folder`. */
export async function inWorld(folder: string, world: World, command: readonly string[]): Promise<string[]> {
  const accounts = Object.entries(world.accounts);
  const users = accounts.map(([name, { id, home = "/nonexistent" }]) =>
    `${name}:x:${id}:${id}::${home}:/usr/sbin/nologin\n`
  );
  const groups = accounts.map(([name, { id }]) => `${name}:x:${id}:\n`);
  const over = { "/etc/passwd": `${folder}/passwd`, "/etc/group": `${folder}/group`, ...world.over };
  await Deno.writeTextFile(over["/etc/passwd"], await Deno.readTextFile("/etc/passwd") + users.join(""));
  await Deno.writeTextFile(over["/etc/group"], await Deno.readTextFile("/etc/group") + groups.join(""));
  const pairs = Object.entries(over).flatMap(([place, instead]) => [instead, place]);
  const script = `set -e
while [ "$1" != -- ]; do mount --bind "$1" "$2"; shift 2; done
shift
exec "$@"`;
  return ["unshare", "--mount", "sh", "-c", script, "sh", ...pairs, "--", ...command];
}

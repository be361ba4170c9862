/**
 * Programs of the system that some tests want. On a person's machine a test whose program is missing is skipped with
 * one line that says how to get it; in CI (the environment has CI=true) it fails instead.
 */

/** Program name -> Debian package. */
const PACKAGES = {
  "swaks": "swaks",
  "curl": "curl",
  "python3": "python3",
  "msmtp": "msmtp",
  "smtp-source": "postfix",
  "postfix": "postfix",
  "dovecot": "dovecot-imapd",
  "strace": "strace",
  "chromium": "chromium",
  "gcc": "gcc",
} as const;
export type Program = keyof typeof PACKAGES;

/** Where the program lies, or null. Daemons live in sbin, which a person's PATH often lacks. */
export function programOf(name: Program): string | null {
  const folders = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/local/sbin", "/usr/sbin", "/sbin"];
  for (const folder of folders) {
    try {
      const info = Deno.statSync(`${folder}/${name}`);
      if (info.isFile && ((info.mode ?? 0) & 0o111) !== 0) return `${folder}/${name}`;
    } catch { /* not in this folder */ }
  }
  return null;
}

/** A test that needs programs of the system. */
export function testWith(
  programs: readonly Program[],
  name: string,
  body: (t: Deno.TestContext) => Promise<void>,
): void {
  const missing = programs.filter((program) => programOf(program) === null);
  const packages = missing.map((program) => PACKAGES[program]).join(" ");
  if (missing.length === 0) Deno.test(name, body);
  else if (Deno.env.get("CI") === "true") {
    Deno.test(name, () => {
      throw new Error(`${missing.join(", ")} missing; CI installs it: apt-get install ${packages}`);
    });
  } else Deno.test.ignore(`${name} (needs ${missing.join(", ")}: apt-get install ${packages})`, () => {});
}

/**
 * Programs and rights of the system that some tests want. On a person's machine a test that lacks one is skipped with
 * one line that says what and how to get it; in CI (the environment has CI=true) it fails instead.
 */

/** Program name -> Debian package. */
const PACKAGES = {
  "swaks": "swaks",
  "curl": "curl",
  "python3": "python3",
  "perl": "perl-base",
  "msmtp": "msmtp",
  "smtp-source": "postfix",
  "postfix": "postfix",
  "dovecot": "dovecot-imapd",
  "strace": "strace",
  "chromium": "chromium",
  "gcc": "gcc",
  "bash": "bash",
  "zsh": "zsh",
  "fish": "fish",
  "setpriv": "util-linux",
  "systemd-analyze": "systemd",
  "systemd-socket-activate": "systemd",
  "script": "bsdutils",
  "openssl": "openssl",
  "gsasl": "gsasl",
  "gnutls-cli": "gnutls-bin",
  "mutt": "mutt",
  "s-nail": "s-nail",
  "bsd-mailx": "bsd-mailx",
  "php": "php-cli",
  "node": "nodejs",
  "haproxy": "haproxy",
  "sslscan": "sslscan",
  "slapd": "slapd",
  "slapadd": "slapd",
  "nsd": "nsd",
  "unbound": "unbound",
  "ldns-signzone": "ldnsutils",
  "opendkim": "opendkim",
  "opendmarc": "opendmarc",
  "mmdblookup": "mmdb-bin",
  "dmarc-cat": "dmarc-cat",
  "clamd": "clamav-daemon",
  "spamd": "spamd",
  "rspamd": "rspamd",
  "prometheus": "prometheus",
  "promtool": "prometheus",
} as const;
export type Program = keyof typeof PACKAGES;

/** Where the program lies, or null. Daemons live in sbin, which a person's PATH often lacks. */
export function programOf(name: Program): string | null {
  return programsOf(name).next().value ?? null;
}

/** Every program of that name, in the order of PATH. */
function* programsOf(name: Program): Generator<string, undefined> {
  const folders = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/local/sbin", "/usr/sbin", "/sbin"];
  for (const folder of folders) {
    try {
      const info = Deno.statSync(`${folder}/${name}`);
      if (info.isFile && ((info.mode ?? 0) & 0o111) !== 0) yield `${folder}/${name}`;
    } catch { /* not in this folder */ }
  }
}

/** A test that needs programs of the system. */
export function testWith(
  programs: readonly Program[],
  name: string,
  body: (t: Deno.TestContext) => Promise<void>,
): void {
  const missing = programs.filter((program) => programOf(program) === null);
  const packages = missing.map((program) => PACKAGES[program]).join(" ");
  testUnless(missing.length === 0 ? null : `${missing.join(", ")}: apt-get install ${packages}`, name, body);
}

/** Perl module -> Debian package. */
const MODULES = {
  "Mail::DeliveryStatus::BounceParser": "libmail-deliverystatus-bounceparser-perl",
  "Mail::DMARC": "libmail-dmarc-perl",
} as const;

/** A test that needs a module of Perl. */
export function testWithPerl(
  module: keyof typeof MODULES,
  name: string,
  body: (t: Deno.TestContext) => Promise<void>,
): void {
  const perl = programOf("perl");
  const there = perl !== null &&
    new Deno.Command(perl, { args: [`-M${module}`, "-e1"], stdout: "null", stderr: "null" }).outputSync().success;
  testUnless(there ? null : `${module}: apt-get install ${MODULES[module]}`, name, body);
}

/** Module of Python -> Debian packages, and all that has to be there. */
const PYTHON = {
  "dkim": ["python3-dkim python3-nacl python3-authres", "dkim, nacl, authres"],
  "Milter": ["python3-milter", "Milter"],
} as const;

/** The first Python that has the module: a machine may have one beside Debian's. */
export function pythonWith(module: keyof typeof PYTHON): string | null {
  for (const python of programsOf("python3")) {
    const args = ["-c", `import ${PYTHON[module][1]}`];
    if (new Deno.Command(python, { args, stdout: "null", stderr: "null" }).outputSync().success) return python;
  }
  return null;
}

/** A test that needs a module of Python, and perhaps programs: told which Python has it. */
export function testWithPython(
  module: keyof typeof PYTHON,
  name: string,
  body: (python: string) => Promise<void>,
): void {
  const python = pythonWith(module);
  testUnless(python === null ? `${module}: apt-get install ${PYTHON[module][0]}` : null, name, () => body(python!));
}

/** A test that needs what `missing` names; null: nothing is missing. */
export function testUnless(
  missing: string | null,
  name: string,
  body: (t: Deno.TestContext) => Promise<void>,
): void {
  if (missing === null) Deno.test(name, body);
  else if (Deno.env.get("CI") === "true") {
    Deno.test(name, () => {
      throw new Error(`needs ${missing}; a CI machine must have it`);
    });
  } else Deno.test.ignore(`${name} (needs ${missing})`, () => {});
}

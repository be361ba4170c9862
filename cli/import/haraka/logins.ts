/**
 * auth_flat_file.ini holds passwords as they are; the accounts file holds what can be checked and not read back.
 * Non-job: where logins are taken (listeners.ts).
 */
import { hashPassword, scramOfPassword } from "../../../core/auth/passwords.ts";
import { saslprep } from "../../../core/smtp/sasl/prepare.ts";
import { formatLine, nameFault } from "../../../plugins/auth/accounts/line.ts";
import type { Origin } from "../draft.ts";
import type { Haraka } from "./plugins.ts";

/** Each costs a tenth of a second. */
const MOST = 1000;
const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));

export async function takeAccounts({ draft, config }: Haraka, from: Origin): Promise<void> {
  const ini = await config.ini("auth_flat_file.ini");
  const users = [...ini.sections.get("users") ?? []];
  const lines = [
    "# Passwords stand here as scrypt hashes and SCRAM keys, made by postern import; nobody can read them back.",
    "# CRAM-MD5 needs readable ones and is not offered: postern user passwd --cram-md5 NAME, if a client must have it.",
    `!secret ${random(32).toBase64()}`,
  ];
  for (const [index, [written, [entry]]] of users.entries()) {
    const name = saslprep(written, "stored"), password = saslprep(entry!.value, "stored");
    const fault = index >= MOST
      ? "more than a thousand accounts"
      : name === null
      ? "a forbidden character"
      : nameFault(name);
    if (fault !== null || name === null || password === null || password === "") {
      draft.leave(entry!.from, "an account", `${fault ?? "its password is none"}: postern user add`);
      continue;
    }
    const [scrypt, scram] = [await hashPassword(password, { random }), await scramOfPassword(password, { random })];
    lines.push(formatLine({ name, scrypt, scram, cramMd5: null, certificates: [], senders: [], disabled: false }));
  }
  draft.files.push({ name: "accounts.txt", text: `${lines.join("\n")}\n` });
  draft.plugin("accounts", from).set("file", "./accounts.txt", from);
  if (ini.is("constrain_sender", "core") !== false) draft.plugin("sender_login", from);
  draft.plugin("submission", from);
  const methods = ini.get("methods", "core");
  if (methods !== null && /CRAM-MD5/i.test(methods.value)) {
    draft.leave(
      methods.from,
      `methods = ${methods.value}`,
      "SCRAM, PLAIN and LOGIN are offered, inside TLS; CRAM-MD5 needs readable passwords",
    );
  }
}

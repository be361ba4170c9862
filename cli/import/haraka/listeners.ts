/**
 * Haraka's listeners and certificates: smtp.ini, tls.ini, the PEM files of its config folder.
 * Non-job: who may log in (logins.ts).
 */
import { Certificates } from "../../../core/net/tls/certificates.ts";
import type { Value } from "../draft.ts";
import { networkIn } from "../network.ts";
import type { Haraka } from "./plugins.ts";

export async function readListeners(haraka: Haraka): Promise<void> {
  const { draft, config, plugins } = haraka;
  const smtp = await config.ini("smtp.ini"), connection = await config.ini("connection.ini");
  const listen = smtp.get("listen"),
    port = smtp.get("port")?.value ?? "25",
    secure = smtp.get("smtps_port")?.value ?? "465";
  const from = listen?.from ?? smtp.get("port")?.from ?? { file: "Haraka's default", line: 0 };
  const certified = plugins.has("tls") && await readCertificates(haraka);
  const extra: Record<string, Value> = {};
  const proxies = connection.is("enabled", "haproxy") === true ? connection.all("hosts", "haproxy") : [];
  const list = (entries: readonly { value: string }[]) =>
    entries.map(({ value }) => networkIn(value)).filter((each) => each !== null);
  if (list(proxies).length > 0) extra.proxy = list(proxies);
  if (plugins.has("xclient")) {
    const hosts = list(await config.list("xclient.hosts"));
    if (hosts.length > 0) extra.xclient = hosts;
  }
  const addresses = (listen?.value ?? `[::0]:${port}`).split(/[\s,]+/).filter((each) => each !== "");
  let logins = false;
  for (const each of addresses) {
    const found = /^\[?([0-9a-fA-F:.]{1,45})\]?:(\d{1,5})$/.exec(each) ?? /^\[?([0-9a-fA-F:.]{1,45})\]?$/.exec(each);
    if (found === null) {
      draft.leave(from, `listen: ${each.slice(0, 60)}`, "this is no address: write it under listeners");
      continue;
    }
    const host = found[1] === "::0" ? "::" : found[1]!, number = found[2] ?? port;
    if ((number === "587" || number === secure) && !certified) {
      draft.leave(from, `listen: ${each}`, "logins need TLS: write tls.certificates, and then this listener");
      continue;
    }
    const role: Record<string, Value> = number === "587" || number === secure ? { role: "submission" } : {};
    if (role.role !== undefined) logins = true;
    const tls: Record<string, Value> = role.role === undefined
      ? {}
      : { tls: number === secure ? "implicit" : "require" };
    draft.listeners.push({
      value: { address: `${host.includes(":") ? `[${host}]` : host}:${number}`, ...role, ...tls, ...extra },
      from,
    });
  }
  const asks = [...plugins].find(([name]) => name.startsWith("auth/"));
  if (asks !== undefined && !logins) {
    draft.leave(asks[1], asks[0], "logins on port 25: add a listener of role submission, on port 587 or 465");
  }
}

/** True where there is a pair that can be used. */
async function readCertificates({ draft, config, plugins }: Haraka): Promise<boolean> {
  const ini = await config.ini("tls.ini"), from = plugins.get("tls")!;
  const cert = ini.get("cert")?.value ?? "tls_cert.pem", key = ini.get("key")?.value ?? "tls_key.pem";
  const pair = { certificate: config.sources.locate(config.path(cert)), key: config.sources.locate(config.path(key)) };
  try {
    (await Certificates.open({ pairs: [pair], trouble: () => {}, period: 0 })).close();
    draft.certificates.push({ value: { cert: pair.certificate, key: pair.key }, from: ini.get("cert")?.from ?? from });
  } catch {
    draft.leave(
      ini.get("cert")?.from ?? from,
      cert,
      "this certificate cannot be read: write tls.certificates, or there is no TLS and no login",
    );
  }
  if (ini.get("minVersion")?.value === "TLSv1.3") draft.set("tls.minVersion", "1.3", ini.get("minVersion")!.from);
  return draft.certificates.length > 0;
}

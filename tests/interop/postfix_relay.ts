/**
 * Postfix as a client of a submission service: it logs in, with TLS at the level `secure`, and has a port for each way to
 * do so. Non-job: running it (tests/support/postfix.ts), what the service makes of it.
 */
import { freePort } from "../support/ports.ts";
import { Postfix } from "../support/postfix.ts";
import { waitFor } from "../support/wait.ts";

export interface RelayWay {
  /** A SASL mechanism of Cyrus SASL. */
  readonly mechanism: string;
  readonly to: number;
  /** TLS from the first octet. */
  readonly wrapper: boolean;
  /** The name that the certificate must have. */
  readonly name: string;
}

export interface RelayOptions {
  readonly caFile: string;
  readonly user: string;
  readonly password: string;
  readonly ways: readonly RelayWay[];
}

/** `ports`: in the order of the ways. */
export async function startRelay(options: RelayOptions): Promise<{ postfix: Postfix; ports: readonly number[] }> {
  const { caFile, user, password, ways } = options;
  const ports = ways.map(() => freePort());
  const services = ways.flatMap(({ mechanism, to, wrapper, name }, index) => {
    const settings = [
      `smtp_sasl_mechanism_filter=${mechanism.toLowerCase()}`,
      `smtp_tls_wrappermode=${wrapper ? "yes" : "no"}`,
      `smtp_tls_secure_cert_match=${name}`,
    ];
    return [
      `127.0.0.1:${ports[index]} inet n - n - - smtpd -o content_filter=way${index}:[127.0.0.1]:${to}`,
      `way${index} unix - - n - - smtp ${settings.map((each) => `-o ${each}`).join(" ")}`,
    ];
  });
  const logins = new Set(ways.map(({ to }) => `[127.0.0.1]:${to} ${user}:${password}\n`));
  const postfix = await Postfix.start(
    `disable_dns_lookups = yes
smtp_host_lookup = native
smtp_tls_security_level = secure
smtp_tls_CAfile = ${caFile}
smtp_tls_loglevel = 1
smtp_tls_session_cache_database = btree:$data_directory/sessions
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = texthash:$config_directory/logins
smtp_sasl_tls_security_options = noanonymous`,
    { services, files: { logins: [...logins].join("") } },
  );
  for (const port of ports) { // they come behind the one that was waited for
    const open = () => Deno.connect({ hostname: "127.0.0.1", port }).then((conn) => (conn.close(), true), () => false);
    await waitFor(`Postfix on ${port}`, open).catch(async (error) => {
      await postfix[Symbol.asyncDispose]();
      throw error;
    });
  }
  return { postfix, ports };
}

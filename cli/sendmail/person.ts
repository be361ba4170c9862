/** Who runs this process, by the accounts of the system. Non-job: logging anybody in. */

export interface Person {
  /** A local part that every server takes. */
  readonly login: string;
  /** As the accounts have it; empty: nobody says. */
  readonly name: string;
}

/** The account of the process; `fallback` (of the environment) where the system does not tell. */
export async function whoRuns(fallback: string | undefined): Promise<Person> {
  let id: number | null = null, accounts = "";
  try {
    id = Deno.uid();
    accounts = await Deno.readTextFile("/etc/passwd");
  } catch { /* not allowed to know, or no such file: another way */ }
  return personIn(accounts, id, fallback);
}

/** Lines of passwd(5): name:password:id:group:GECOS:home:shell. */
export function personIn(accounts: string, id: number | null, fallback: string | undefined): Person {
  const row = id === null ? undefined : accounts.split("\n").map((line) => line.split(":"))
    .find((fields) => fields[2] === String(id));
  const written = row?.[0] ?? fallback ?? (id === null ? "nobody" : `uid-${id}`);
  const login = /^[A-Za-z0-9._+-]{1,64}$/.test(written) && !/^\.|\.$|\.\./.test(written) ? written : "nobody";
  const [full = ""] = (row?.[4] ?? "").split(",");
  return { login, name: full.replaceAll("&", login[0]!.toUpperCase() + login.slice(1)) };
}

/** The page that asks for the token. It has no bar: whoever sees it has no right to know what is here. */
import { type Html, markup } from "./html.ts";
import { MARK } from "./icons.ts";
import { head } from "./layout.ts";

export function loginPage(
  options: { readonly then: string; readonly formToken: string; readonly fault?: string },
): Html {
  return markup`
    <!doctype html>
    <html lang="en">
      ${head("Sign in")}
      <body>
        <main id="main" class="login">
          <form class="card pad" method="post" action="/login">
        ${MARK}
        <h1>Sign in</h1>
        <p>The token stands in the configuration: <code>admin.token</code>, or <code>POSTERN_ADMIN_TOKEN</code>.</p>
        <input type="hidden" name="token" value="${options.formToken}">
        <input type="hidden" name="then" value="${options.then}">
        <label for="secret">Token</label>
        <input id="secret" name="secret" type="password" autocomplete="current-password" required autofocus${
    options.fault !== undefined && markup` aria-invalid="true" aria-describedby="fault"`
  }>
        ${options.fault !== undefined && markup`<p id="fault" class="v v-bad" role="alert">${options.fault}</p>`}
        <button class="btn main">Sign in</button>
      </form>
        </main>
      </body>
    </html>
  `;
}

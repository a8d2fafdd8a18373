// A real OpenID provider on loopback, for one test: signs in whoever the interaction's address names, and tells the
// client when they log out (back-channel). Arguments: port, the client's origin.
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

// Nobody reads what it has to say once it runs.
console.log = console.info = console.warn = () => {};

const [port, origin] = process.argv.slice(2);
const issuer = `http://localhost:${port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "bailiwick",
      client_secret: "a secret of the test alone",
      redirect_uris: [`${origin}/sign-in/provider/back`, `${origin}/sign-in/provider/try`],
      post_logout_redirect_uris: [`${origin}/`],
      backchannel_logout_uri: `${origin}/sign-in/provider/logout`,
      backchannel_logout_session_required: true,
      response_types: ["code"],
      grant_types: ["authorization_code"],
    },
  ],
  cookies: { keys: ["only for a test"] },
  // Groups are told to a client that asks for them.
  scopes: ["openid", "profile", "email", "groups"],
  claims: { openid: ["sub", "amr", "sid", "auth_time"], email: ["email"], groups: ["groups"] },
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  features: {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (ctx, form) => {
        ctx.body = form;
      },
    },
  },
  // Everything here is on loopback, which it refuses to call otherwise.
  fetch: (url, { dispatcher: _guarded, ...options }) => fetch(url, options),
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_ctx, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@example.test`, groups: ["ops"] }),
  }),
});

const callback = provider.callback();
createServer(async (request, response) => {
  if (!request.url.startsWith("/interaction/")) return callback(request, response);
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  const result = {};
  if (prompt.name === "login") {
    result.login = { accountId: "zoe", amr: ["pwd", "mfa"] };
  } else {
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope("openid email profile groups");
    result.consent = { grantId: await grant.save() };
  }
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}).listen(Number(port), "127.0.0.1", () => process.stdout.write("ready\n"));

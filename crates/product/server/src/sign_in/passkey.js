// Asks the browser for a passkey, and sends the form on with its answer. Nothing else: the server judges.
"use strict";
(() => {
  const bytes = (text) => {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (c) => c.charCodeAt(0));
  };
  const text = (buffer) => {
    if (!buffer) return null;
    const plain = Array.from(new Uint8Array(buffer), (b) => String.fromCharCode(b)).join("");
    return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };
  const named = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

  const make = async (options) => {
    const made = await navigator.credentials.create({
      publicKey: {
        ...options,
        challenge: bytes(options.challenge),
        user: { ...options.user, id: bytes(options.user.id) },
        excludeCredentials: named(options.excludeCredentials),
      },
    });
    return {
      id: made.id,
      rawId: text(made.rawId),
      type: made.type,
      response: {
        attestationObject: text(made.response.attestationObject),
        clientDataJSON: text(made.response.clientDataJSON),
      },
      extensions: {},
    };
  };

  const use = async (options) => {
    const used = await navigator.credentials.get({
      publicKey: {
        ...options,
        challenge: bytes(options.challenge),
        allowCredentials: named(options.allowCredentials),
      },
    });
    return {
      id: used.id,
      rawId: text(used.rawId),
      type: used.type,
      response: {
        authenticatorData: text(used.response.authenticatorData),
        clientDataJSON: text(used.response.clientDataJSON),
        signature: text(used.response.signature),
        userHandle: text(used.response.userHandle),
      },
      extensions: {},
    };
  };

  const words = {
    NotAllowedError: "Nothing was confirmed: it was stopped, or took too long. Try again.",
    InvalidStateError: "This device has a passkey for this account already.",
    SecurityError: "Passkeys do not work at this address. Open the console at its own name.",
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const said = form.querySelector("[role=alert]");
    const button = form.querySelector("button[type=submit]");
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!window.PublicKeyCredential) {
        said.textContent = "This browser knows no passkeys. Use another one, or a newer version.";
        return;
      }
      button.disabled = true;
      said.textContent = "Your device asks you now.";
      try {
        const options = JSON.parse(form.dataset.options);
        const answer = form.dataset.passkey === "make" ? await make(options) : await use(options);
        form.elements["passkey-answer"].value = JSON.stringify(answer);
        form.submit();
      } catch (error) {
        button.disabled = false;
        said.textContent = words[error.name] || "It did not work. Try again.";
      }
    });
  }
})();

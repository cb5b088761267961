// Passkeys: opens the browser's passkey dialog before a form is submitted. The server creates the options (a form
// submitted without a credential gets them as JSON) and verifies the credential; this file makes no decision.
"use strict";
(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const known = (list) => list?.map((each) => ({ ...each, id: bytes(each.id) }));

  // Conversion from and to JSON as in WebAuthn Level 3, 5.1.8, because not every browser has these functions yet.
  const read = (options) => ({
    ...options,
    challenge: bytes(options.challenge),
    ...(options.user && { user: { ...options.user, id: bytes(options.user.id) } }),
    ...(options.excludeCredentials && { excludeCredentials: known(options.excludeCredentials) }),
    ...(options.allowCredentials && { allowCredentials: known(options.allowCredentials) }),
  });
  const write = ({ id, rawId, type, response }) => {
    const sent = { clientDataJSON: text(response.clientDataJSON) };
    for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (response[name]) sent[name] = text(response[name]);
    }
    if (response.getTransports) sent.transports = response.getTransports();
    return JSON.stringify({ id, rawId: text(rawId), type, response: sent });
  };

  const why = (error) => ({
    NotAllowedError: "The request was cancelled or timed out. Try again.",
    InvalidStateError: "You already have a passkey on this device.",
    SecurityError: "Your browser does not allow passkeys at this address.",
  })[error.name] || error.message;

  const hold = async (form) => {
    const said = form.querySelector("[data-passkey-message]");
    said.textContent = "";
    if (!window.PublicKeyCredential) throw new Error("This browser does not support passkeys. Use another browser, or sign in another way.");
    const reply = await fetch(form.action, { method: "POST", body: new FormData(form) });
    if (reply.redirected) { location.assign(reply.url); return; }
    if (!reply.ok) throw new Error(`The server rejected the request (error ${reply.status}). Reload the page and try again.`);
    const publicKey = read(await reply.json());
    form.elements.credential.value = write(await navigator.credentials[form.dataset.passkey]({ publicKey }));
    form.requestSubmit();
  };

  // Capture phase, before htmx and other listeners: the first submission only requests the options.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-passkey]")) return;
    const { credential } = form.elements;
    if (credential.value) { setTimeout(() => { credential.value = ""; }); return; }
    event.preventDefault();
    event.stopImmediatePropagation();
    hold(form).catch((error) => { form.querySelector("[data-passkey-message]").textContent = why(error); });
  }, true);
  // Show the forms only now: submitted earlier, a form would load JSON that only this file can process.
  document.documentElement.classList.add("has-passkeys");
})();

// Passkeys: between a form that asks for one and its sending stands the browser's own dialog. The server makes the
// options (the form, sent without an answer, gets them as JSON) and judges the answer; nothing is decided here.
"use strict";
(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const known = (list) => list?.map((each) => ({ ...each, id: bytes(each.id) }));

  // From JSON and back as WebAuthn Level 3, 5.1.8 has it; not every browser has its functions for that yet.
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
    const said = form.querySelector("[data-passkey-said]");
    said.textContent = "";
    if (!window.PublicKeyCredential) throw new Error("This browser does not support passkeys. Use another browser, or sign in another way.");
    const reply = await fetch(form.action, { method: "POST", body: new FormData(form) });
    if (reply.redirected) { location.assign(reply.url); return; }
    if (!reply.ok) throw new Error(`The server rejected the request (error ${reply.status}). Reload the page and try again.`);
    const publicKey = read(await reply.json());
    form.elements.answer.value = write(await navigator.credentials[form.dataset.passkey]({ publicKey }));
    form.requestSubmit();
  };

  // Before anybody else hears of the sending, htmx included: the first time it only asks for the options.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-passkey]")) return;
    const { answer } = form.elements;
    if (answer.value) { setTimeout(() => { answer.value = ""; }); return; }
    event.preventDefault();
    event.stopImmediatePropagation();
    hold(form).catch((error) => { form.querySelector("[data-passkey-said]").textContent = why(error); });
  }, true);
  // Only now are the forms shown: sent before, one would load what only this file can read.
  document.documentElement.classList.add("has-passkeys");
})();

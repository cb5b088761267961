// Hashes a file in the browser, and writes the digest into a field. The file is in no form, so it is never uploaded.
"use strict";
(() => {
  const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const said = (text) => { document.getElementById("file-digest").textContent = text; };
  let newest = 0; // an earlier computation may end later

  const digest = async (picker) => {
    const field = document.getElementById(picker.dataset.digest);
    const mode = document.getElementById(picker.dataset.digestMode).value;
    const [file] = picker.files;
    const number = ++newest;
    field.value = "";
    if (!file) { said(""); return; }
    const most = Number(picker.dataset.maxBytes);
    if (file.size > most) {
      said(`This file has ${Math.ceil(file.size / 1048576)} MiB. The limit is ${most / 1048576} MiB. Compute the digest with a command instead.`);
      return;
    }
    const bits = mode.slice(-3); // the names of these modes end with the hash function, such as sha256
    said("Computing the digest …");
    const found = await crypto.subtle.digest(`SHA-${bits}`, await file.arrayBuffer());
    if (number !== newest) return;
    field.value = hex(found);
    said(`SHA-${bits} of ${file.name}`);
  };

  document.addEventListener("change", ({ target }) => {
    const picker = document.querySelector("[data-digest]");
    if (!picker || (target !== picker && (target.id !== picker.dataset.digestMode || !picker.files.length))) return;
    digest(picker).catch(() => { said("The browser cannot read this file. Choose it again."); });
  });
  // Only a secure context has this function.
  if (window.crypto?.subtle) document.documentElement.classList.add("has-hashing");
})();

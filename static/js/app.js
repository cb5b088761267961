// Enhances the pages: one dialog, copying, shortcuts, and error notices. Every operation works without this file.
// htmx upgrades forms and links; this file manages focus and notices.
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const root = document.documentElement;
  root.classList.add("has-script");

  // --- the dialog: content in #dialog-body opens it; content in #page closes it
  const dialog = $("#dialog");
  let opener = null;
  const open = () => {
    if (!dialog.open) {
      opener = document.activeElement;
      dialog.showModal();
    }
    ($("[data-focus]", dialog) || $("[autofocus], input:not([type=hidden]), textarea, select, button", dialog))?.focus();
  };
  const close = () => {
    if (dialog?.open) dialog.close();
  };
  const isLost = () => document.activeElement === document.body;
  let kept = null; // content of the dialog before the sign-in replaced it
  let signing = false;
  dialog?.addEventListener("close", () => {
    $("#dialog-body").replaceChildren(...(kept ? [kept] : []));
    if (kept) dialog.showModal();
    else {
      $("#dialog-notices").replaceChildren();
      // The browser returns the focus, unless the opener was replaced (its replacement has its id) or removed.
      const again = opener?.id ? document.getElementById(opener.id) : opener;
      if (isLost()) again?.focus();
      if (isLost()) $("#page").focus();
    }
    kept = null;
    signing = false;
  });

  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target?.id === "page") close();
    for (const toast of document.querySelectorAll("[data-toast]:not([data-seen])")) show(toast);
    $("[data-focus]", event.target)?.focus();
    if (event.target.id === "dialog-body" && event.target.childElementCount) open();
  });
  document.addEventListener("cc:close", close);
  const cancel = (event) => {
    if (!event.target.closest("[data-cancel]")) return;
    event.preventDefault();
    event.stopPropagation(); // htmx would load the page behind the dialog into the dialog
    close();
  };
  dialog?.addEventListener("click", cancel, { capture: true });

  // --- toasts stay for eight seconds, or longer while hovered or focused
  const show = (toast) => {
    toast.dataset.seen = "";
    const fade = () => {
      if (toast.matches(":hover, :focus-within")) setTimeout(fade, 2000);
      else toast.remove();
    };
    setTimeout(fade, 8000);
  };
  document.querySelectorAll("[data-toast]").forEach(show);
  const dismiss = (toast) => {
    toast.remove();
    ($("#toasts [data-dismiss]") || $("#page")).focus({ preventScroll: true });
  };

  // --- notices: an error stays until a success; content behind an open dialog is neither visible nor read out
  const notify = (text, place = dialog?.open || kept ? "#dialog-notices" : "#notices") => {
    const line = document.createElement("p");
    line.className = "notice warning";
    line.textContent = text;
    $(place)?.replaceChildren(line);
  };
  // Polling and live validation are not user actions, so they do not clear notices.
  const isAutomatic = ({ detail: { requestConfig } }) => requestConfig.elt.matches("[data-auto-refresh], [data-live-validation]");
  const failed = (event, text) => {
    if (!isAutomatic(event) || !$("#dialog-notices > *, #notices > *")) notify(text);
  };
  const changes = (event) => event.detail.requestConfig.verb !== "get";
  const unsure = "The change may or may not have been applied. Check the audit log.";
  document.addEventListener("htmx:sendError", (event) => {
    failed(event, `Could not reach the server. ${changes(event) ? unsure : "Nothing was changed."}`);
  });
  document.addEventListener("htmx:responseError", (event) => {
    const { status } = event.detail.xhr;
    if (status === 401) return;
    const after = event.detail.xhr.getResponseHeader("Retry-After");
    if (status === 429) failed(event, `Too many requests. Try again in ${after || "a few"} seconds. Nothing was changed.`);
    else if (status >= 500) failed(event, `The server could not complete the request (error ${status}). ${changes(event) ? unsure : "Try again."}`);
    else failed(event, event.detail.xhr.responseText || `The server rejected the request (error ${status}).`);
  });
  document.addEventListener("htmx:afterSettle", ({ detail }) => {
    const count = $("[data-count]", detail.elt);
    if (count) $("#news").textContent = count.textContent;
  });
  let signedOut = false; // stop polling then, because every refusal is recorded
  // Polling is not user activity, so it does not renew the session.
  const refreshesItself = (event) => event.detail.elt.hasAttribute("data-auto-refresh");
  document.addEventListener("htmx:beforeRequest", (event) => {
    const waits = () => document.hidden || signedOut || $("details[open]", event.detail.elt); // a refresh would close it
    if (refreshesItself(event) && waits()) event.preventDefault();
  });
  document.addEventListener("htmx:configRequest", (event) => {
    if (refreshesItself(event)) event.detail.headers["CC-Poll"] = "true";
  });
  document.addEventListener("htmx:xhr:progress", ({ target, detail }) => $("progress", target)?.setAttribute("value", detail.loaded / detail.total));
  document.addEventListener("htmx:afterOnLoad", (event) => {
    const { xhr } = event.detail;
    const isResponse = xhr.status < 400 || xhr.status === 422;
    if (!isAutomatic(event) && xhr.status !== 204 && isResponse) {
      for (const place of document.querySelectorAll("#notices, #dialog-notices")) place.replaceChildren();
    }
    arm(Number(xhr.getResponseHeader("CC-Session-Seconds")));
  });

  // --- session ended: sign in over the unchanged page, then try again
  document.addEventListener("cc:sign-in", () => {
    signedOut = true;
    if (signing) return; // a polling page triggers this repeatedly
    signing = true;
    if (dialog.open) {
      kept = new DocumentFragment();
      kept.append(...$("#dialog-body").childNodes);
    }
    htmx.ajax("GET", "/login/", { target: "#dialog-body", swap: "innerHTML" });
  });
  document.addEventListener("cc:signed-in", (event) => {
    signedOut = false;
    if (event.detail.user !== document.body.dataset.user) { // another user, who must not submit this page's forms
      location.assign("/home/");
      return;
    }
    for (const place of [document, ...(kept ? [kept] : [])]) {
      for (const field of place.querySelectorAll("input[name=csrfmiddlewaretoken]")) field.value = event.detail.token;
    }
    close();
    notify("You are signed in again. Your input is still here. Submit it again.");
  });

  // --- two minutes before the session ends
  const end = $("#session-end");
  let timer = 0;
  const arm = (seconds) => { // latest value from the server, which accounts for other tabs and ignores polling
    if (!end || !seconds) return;
    clearTimeout(timer);
    if (seconds > 125) {
      if (end.contains(document.activeElement)) $("#page").focus({ preventScroll: true });
      end.replaceChildren();
    }
    timer = setTimeout(warn, Math.max(0, seconds - 125) * 1000, Date.now() + seconds * 1000);
  };
  const warn = (ends) => {
    if ($("button", end)) return;
    const at = new Date(ends).toISOString().slice(11, 16);
    notify(`You will be signed out at ${at}Z. `, "#session-end");
    const stay = document.createElement("button");
    stay.className = "small";
    stay.textContent = "Stay signed in";
    stay.addEventListener("click", () => htmx.ajax("POST", end.dataset.extend, {
      target: "#session-end", swap: "none", values: { csrfmiddlewaretoken: $("input[name=csrfmiddlewaretoken]").value },
    }));
    end.firstChild.append(stay);
  };
  arm(Number(end?.dataset.seconds));

  // --- copying; plain http has no clipboard API, so copy a selection instead
  const select = (node) => {
    if (node.select) { node.focus(); node.select(); return; }
    const range = document.createRange();
    range.selectNodeContents(node);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  };
  const copy = async (button) => {
    const node = $("[data-value]", button.closest(".copied, .snippet"));
    let copied = false;
    try {
      await navigator.clipboard.writeText(node.value ?? node.textContent);
      copied = true;
    } catch {
      select(node);
      copied = document.execCommand("copy");
      if (copied) button.focus();
    }
    const word = $("[data-copy-word]", button);
    word.textContent = copied ? "Copied" : "Press Ctrl+C";
    setTimeout(() => { word.textContent = "Copy"; }, 3000);
  };

  document.addEventListener("click", (event) => {
    const hit = (selector) => event.target.closest(selector);
    if (hit("[data-copy]")) copy(hit("[data-copy]"));
    else if (hit("[data-dismiss]")) dismiss(hit("[data-toast]"));
    else if (hit("[data-help]")) help();
    else if (hit("[data-reveal]")) reveal(hit("[data-reveal]"));
    else if (hit("[data-print]")) print();
  });
  const reveal = (button) => {
    const field = document.getElementById(button.getAttribute("aria-controls"));
    const hidden = field.type === "password";
    field.type = hidden ? "text" : "password";
    button.setAttribute("aria-pressed", String(hidden));
  };
  // --- length of a new password; only the server decides whether to accept it
  for (const hint of document.querySelectorAll("[data-strength]")) {
    document.getElementById(hint.dataset.strength).addEventListener("input", (event) => {
      const { length } = event.target.value;
      const word = length < 12 ? "too short" : length < 16 ? "acceptable" : length < 24 ? "good" : "very good";
      hint.textContent = `${length} character${length === 1 ? "" : "s"}: ${word}.`;
    });
  }
  const help = () => {
    $("#dialog-body").replaceChildren($("#keyboard-help").content.cloneNode(true));
    open();
  };

  // --- the selected rows of a list; rows may arrive later, and Back restores check boxes
  const selectRows = ({ target }) => {
    const all = $("[data-select-all]");
    if (!all) return;
    const boxes = [...document.querySelectorAll(`[name="${all.dataset.selectAll}"]`)];
    if (target === all) for (const box of boxes) box.checked = all.checked;
    const count = boxes.filter((box) => box.checked).length;
    all.checked = count && count === boxes.length;
    all.indeterminate = count && !all.checked;
    $("[data-selected]").textContent = `${count} selected:`;
  };
  for (const name of ["change", "htmx:afterSwap", "pageshow"]) window.addEventListener(name, selectRows);

  // --- shortcuts; inactive while typing and if switched off
  let going = false;
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.target.closest(".site-search")) $("#page").focus();
    if (document.body.dataset.shortcuts !== "on" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select") || dialog?.open) return;
    const on = (selector, act) => () => { const node = $(selector); node?.focus(); if (node) act(node); };
    const shortcut = going ? on(`[data-go="${CSS.escape(event.key)}"]`, (link) => location.assign(`${link.href}#page`))
      : { "/": on("#site-search", (field) => field.select()), f: on("[data-search]", (field) => field.select()), "?": help, n: on("[data-new]", (link) => link.click()) }[event.key];
    going = !going && event.key === "g";
    if (shortcut) { event.preventDefault(); shortcut(); }
  });
  if (!$("[autofocus]")) $(".error-summary")?.focus(); // of a form that was submitted without htmx
  if (location.hash === "#page") { // after a shortcut
    history.replaceState(history.state, "", location.pathname + location.search);
    $("#page").focus();
  }

  // --- htmx stores the URL, which may name a key, for a history cache that is disabled here
  const forget = () => sessionStorage.removeItem("htmx-current-path-for-history");
  for (const name of ["htmx:pushedIntoHistory", "htmx:replacedInHistory", "htmx:historyRestore"]) {
    document.addEventListener(name, forget);
  }
  forget();
})();

"""Each task of docs/console.md in a real Chromium: how many clicks and seconds it takes."""

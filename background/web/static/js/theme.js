// Runs before the first paint, so that a chosen theme never flashes into another. A classic script on purpose.
try {
  const theme = localStorage.getItem("theme");
  if (theme) document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be forbidden; the system's theme is used then.
}

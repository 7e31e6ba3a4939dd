// The code stands after the # of the link, which a browser sends to nobody: so this page has to take it from there. It takes it out of the address as well.
const field = document.getElementById("code");
if (field && location.hash.length > 1) {
  field.value = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, "", location.pathname);
}

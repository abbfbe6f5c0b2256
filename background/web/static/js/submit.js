export function openSubmit() {}

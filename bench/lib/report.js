export function writeReport(log) { log('report'); }

// Pages are named by the part of the address behind '#': #/orders/7?as=X is { page: 'orders', id: '7', query: { as: 'X' } }.
import { useEffect, useState } from './preact.js';

function read() {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  const [page, id] = path.split('/').map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return { page: page || 'overview', id, query: Object.fromEntries(new URLSearchParams(query)), text: location.hash };
}

/** The address of a page; query values that are empty are left out. */
export function link(page, id, query = {}) {
  const given = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== ''));
  return `#/${page}${id === undefined ? '' : `/${encodeURIComponent(id)}`}${given.size > 0 ? `?${given}` : ''}`;
}

export function go(address) {
  location.hash = address;
}

/** The page that is asked for; renders again when it changes. */
export function useRoute() {
  const [route, setRoute] = useState(read);
  useEffect(() => {
    const changed = () => setRoute(read());
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return route;
}

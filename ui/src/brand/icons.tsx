/** Small line drawings, 20 by 20, in `currentColor`. All are decoration: name the control itself. */

const paths = {
  sun: 'M10 6.2a3.8 3.8 0 1 0 0 7.6 3.8 3.8 0 0 0 0-7.6ZM10 1.8v1.7M10 16.5v1.7M1.8 10h1.7M16.5 10h1.7M4.2 4.2l1.2 1.2M14.6 14.6l1.2 1.2M4.2 15.8l1.2-1.2M14.6 5.4l1.2-1.2',
  moon: 'M16.5 11.9A6.8 6.8 0 0 1 8.1 3.5a6.8 6.8 0 1 0 8.4 8.4Z',
  system: 'M3 4h14v9.5H3ZM7.5 16.8h5M10 13.5v3.3',
  table: 'M2.8 4h14.4v12H2.8ZM2.8 8h14.4M2.8 12h14.4M8 4v12',
  chart: 'M3 16.5V3.5M3 16.5h14M6.2 12.8l3.2-4 2.8 2.2 4-5.2',
  copy: 'M7 7h9.5v9.5H7ZM4.5 13H3.5V3.5H13v1',
  check: 'm3.8 10.6 4 4 8.4-9',
  scales:
    'M10 3v13.5M6 16.8h8M4 5.6h12M4 5.6 1.8 11a2.3 2.3 0 0 0 4.4 0L4 5.6ZM16 5.6 13.8 11a2.3 2.3 0 0 0 4.4 0L16 5.6Z',
  cart: 'M1.8 3h2.4l2 9.6h8.6l1.7-6.8H5M7.4 16.6h.01M13.6 16.6h.01',
  person: 'M10 10.2a3.4 3.4 0 1 0 0-6.8 3.4 3.4 0 0 0 0 6.8ZM3.6 17a6.4 6.4 0 0 1 12.8 0',
  close: 'm5 5 10 10M15 5 5 15',
  arrow: 'M3.5 10h13M11.5 5l5 5-5 5',
  back: 'M16.5 10h-13M8.5 5l-5 5 5 5',
  warning: 'M10 3.2 18 16.8H2ZM10 8.4v3.8M10 14.4h.01',
  down: 'm5.5 8 4.5 4.5L14.5 8',
  plus: 'M10 4.5v11M4.5 10h11',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg
      viewBox="0 0 20 20"
      width={size}
      height={size}
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={paths[name]} />
    </svg>
  );
}

const PATHS = {
  market: "M4 3v3M4 12v3M3 6h2v6H3zM9 1v4M9 11v4M8 5h2v6H8zM14 4v2M14 10v4M13 6h2v4h-2z",
  pairs: "M2 11c3 0 3-7 6-7s3 9 6 9 2-3 3-4M2 6c3 0 3 6 6 6s4-8 9-7",
  health: "M1.500 9h3.500l2-5 4 10 2.500-5h3",
  search: "M8 13a5 5 0 1 0 0-10 5 5 0 0 0 0 10zM12 12l4 4",
  sun: "M9 12a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM9 1v2M9 15v2M1 9h2M15 9h2M3.300 3.300l1.400 1.400M13.300 13.300l1.400 1.400M14.700 3.300l-1.400 1.400M4.700 13.300l-1.400 1.400",
  moon: "M15 10.500A6.500 6.500 0 0 1 7.500 3a6.500 6.500 0 1 0 7.500 7.500z",
  settings: "M2 5h7M13 5h3M2 13h3M9 13h7M11 3v4M7 11v4",
  help: "M6.500 6.500a2.500 2.500 0 1 1 3.500 2.300c-.7.3-1 .8-1 1.700M9 13.500v.1",
  swap: "M3 6h11l-3-3M15 12H4l3 3",
  table: "M2 4h14v10H2zM2 8h14M7 4v10",
  latest: "M3 4l5 5-5 5M9 4l5 5-5 5",
  pause: "M6 4v10M12 4v10",
  close: "M4 4l10 10M14 4L4 14",
  down: "M5 7l4 4 4-4",
  check: "M4 9.500l3.500 3.500L14 5.500",
  retry: "M15 9a6 6 0 1 1-1.800-4.300M15 2v3.500h-3.500",
  fit: "M3 7V3h4M15 7V3h-4M3 11v4h4M15 11v4h-4",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 18 18"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

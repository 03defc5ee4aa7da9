export function Logo({ size = 28 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" fill="none" aria-hidden="true">
      <path
        d="M4 19.500c4 0 4-8.500 8-8.500s4 11 8 11 3.500-6.500 8-6.500"
        stroke="var(--accent)"
        strokeWidth="2.600"
        strokeLinecap="round"
      />
      <path
        d="M4 16h24"
        stroke="var(--muted)"
        strokeWidth="1.400"
        strokeDasharray="1.500 3"
        strokeLinecap="round"
      />
    </svg>
  );
}

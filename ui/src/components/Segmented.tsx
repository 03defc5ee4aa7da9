import * as Tabs from "@radix-ui/react-tabs";
import css from "./Segmented.module.css";

interface SegmentedProps {
  label: string;
  value: string;
  options: readonly { value: string; label: string }[];
  onChange: (value: string) => void;
}

/** A row of choices of which one is on (roving focus by Radix). */
export function Segmented({ label, value, options, onChange }: SegmentedProps) {
  return (
    <Tabs.Root value={value} onValueChange={onChange}>
      <Tabs.List aria-label={label} className={css.list}>
        {options.map((option) => (
          <Tabs.Trigger
            key={option.value}
            value={option.value}
            className={css.item}
            aria-controls={undefined}
          >
            {option.label}
          </Tabs.Trigger>
        ))}
      </Tabs.List>
    </Tabs.Root>
  );
}

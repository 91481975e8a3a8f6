package main

import (
	"fmt"
	"io"
	"time"
)

// console tells the user what happens.
type console struct{ out io.Writer }

// step says what is being waited for, waits, and says how long it took. The
// note that do returns follows.
func (c console) step(what string, do func() (note string, err error)) error {
	fmt.Fprintf(c.out, "  %-34s ", what+" ...")
	begin := time.Now()
	note, err := do()
	took := time.Since(begin).Seconds()
	if err != nil {
		fmt.Fprintf(c.out, "failed after %.1f s\n", took)
		return err
	}
	fmt.Fprintf(c.out, "%5.1f s  %s\n", took, note)
	return nil
}

func (c console) sayf(format string, args ...any) {
	fmt.Fprintf(c.out, "  "+format+"\n", args...)
}

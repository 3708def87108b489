// Command leak keeps ever more slices reachable, until the kernel ends it.
//
//	leak SHAPE KIB_PER_S QUIET_S PERIOD_S
//
// Linear or stair, as in leak.c. The teeth of the saw are the collector's: for each block that is
// kept four are dropped.
package main

import (
	"fmt"
	"math"
	"os"
	"time"
)

const (
	block          = 1024
	droppedPerKept = 4
)

var (
	kept [][]byte
	last []byte
)

func main() {
	var shape string
	var kibPerS, quietS, periodS float64
	words := fmt.Sprintln(os.Args[1], os.Args[2], os.Args[3], os.Args[4])
	if _, err := fmt.Sscan(words, &shape, &kibPerS, &quietS, &periodS); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	started, dropped := time.Now(), 0.0
	for ; ; time.Sleep(50 * time.Millisecond) {
		seconds := time.Since(started).Seconds()
		age := math.Max(seconds-quietS, 0)
		wanted := age
		if shape == "stair" {
			wanted -= math.Mod(age, periodS)
		}
		for float64(len(kept)) < kibPerS*wanted {
			kept = append(kept, filled())
		}
		for ; dropped < kibPerS*seconds*droppedPerKept; dropped++ {
			last = filled()
		}
	}
}

func filled() []byte {
	bytes := make([]byte, block)
	for i := range bytes {
		bytes[i] = 0x5a
	}
	return bytes
}

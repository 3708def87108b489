// Command quiet reads no heap profile, so that the linker switches it off.
package main

import (
	"bufio"
	"fmt"
	"os"
)

func main() {
	kept := make([][]byte, 0)
	for i := 0; i < 10000; i++ {
		kept = append(kept, make([]byte, 1000))
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Println(len(kept))
	}
}

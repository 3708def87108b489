// Command hold keeps slices of one allocation site, and says for each line on its standard input
// what the runtime says: ReadMemStats, then the bytes that the heap profile has sampled at the site.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
)

var kept [][]byte

//go:noinline
func keepSessions(count int) {
	for i := 0; i < count; i++ {
		kept = append(kept, make([]byte, 2000))
	}
}

// sampled is what the runtime's own profile has of the site's blocks, unscaled: slices of 2000 bytes
// take 2048. The list that they are kept in is another matter.
func sampled() int64 {
	records := make([]runtime.MemProfileRecord, 5000)
	count, _ := runtime.MemProfile(records, true)
	bytes := int64(0)
	for _, record := range records[:count] {
		frames := runtime.CallersFrames(record.Stack())
		frame, _ := frames.Next()
		isSession := record.InUseBytes() == 2048*record.InUseObjects()
		if isSession && strings.HasSuffix(frame.Function, "keepSessions") {
			bytes += record.InUseBytes()
		}
	}
	return bytes
}

func main() {
	keepSessions(30000)
	for i := 0; i < 50000; i++ {
		_ = fmt.Sprint(i)
	}
	runtime.GC()
	runtime.GC()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		profile := sampled()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fmt.Println(m.HeapAlloc, m.HeapInuse, m.HeapIdle, m.HeapReleased, m.StackInuse, m.NumGC, profile)
	}
}

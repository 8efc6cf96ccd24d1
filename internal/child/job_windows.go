package child

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/windows"
)

// job holds a process that ends when the job's last handle is closed, which
// the system does when we end.
type job windows.Handle

// tie puts a process and what it starts into a job of their own.
func tie(pid int) (job, error) {
	handle, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return 0, err
	}
	j := job(handle)
	if err := j.limit(windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | windows.JOB_OBJECT_LIMIT_BREAKAWAY_OK); err != nil {
		return 0, errors.Join(err, windows.CloseHandle(handle))
	}
	process, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(pid)) //nolint:gosec // a process id
	if err == nil {
		err = errors.Join(windows.AssignProcessToJobObject(handle, process), windows.CloseHandle(process))
	}
	if err != nil {
		return 0, errors.Join(err, windows.CloseHandle(handle))
	}
	return j, nil
}

func (j job) limit(flags uint32) error {
	var info windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	info.BasicLimitInformation.LimitFlags = flags
	_, err := windows.SetInformationJobObject(windows.Handle(j), windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)))
	return err
}

// release lets what the command left running go on.
func (j job) release() {
	if j.limit(0) == nil {
		_ = windows.CloseHandle(windows.Handle(j)) // else it stays open until we end
	}
}

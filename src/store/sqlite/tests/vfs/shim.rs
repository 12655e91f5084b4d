//! SQLite's own file system with a [`Disk`] looking on.
//!
//! In: calls of SQLite. Out: the same calls to the file system it has by itself, after the disk of the file's directory was asked
//! and before it is told. Files of other directories never pass through here. Locks and shared memory are the real ones, so that
//! any number of connections can use a database.
#![allow(unsafe_code, reason = "SQLite calls file systems through tables of C functions")]

use super::{Disk, Kind, disk_of};
use rusqlite::ffi::{self, sqlite3_file, sqlite3_io_methods, sqlite3_vfs};
use std::{
    ffi::{CStr, c_char, c_int, c_void},
    fs,
    path::Path,
    ptr,
    sync::{Arc, Once},
};

/// A file of ours; the real one follows it in memory.
#[repr(C)]
struct File {
    base: sqlite3_file,
    /// Made by `open`, freed by `close`.
    handle: *mut Handle,
}

struct Handle {
    disk: Arc<Disk>,
    inode: usize,
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    // Without memory maps, which the store never uses.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// Makes it the default of this process.
pub fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: finding and registering are guarded by SQLite's own lock. The real table stays where it is for good, ours is
        // leaked. Functions that are copied from the real table do not look at the table they are called with.
        unsafe {
            assert_eq!(ffi::sqlite3_initialize(), ffi::SQLITE_OK);
            let real = ffi::sqlite3_vfs_find(ptr::null());
            assert!(!real.is_null());
            let mut ours = *real;
            ours.pNext = ptr::null_mut();
            ours.zName = c"watched".as_ptr();
            ours.szOsFile += size_of::<File>() as c_int;
            ours.pAppData = real.cast();
            ours.xOpen = Some(open);
            ours.xDelete = Some(delete);
            assert_eq!(ffi::sqlite3_vfs_register(Box::leak(Box::new(ours)), 1), ffi::SQLITE_OK);
        }
    });
}

/// The disk under a file's directory, and the file's name in it.
///
/// # Safety
/// `name` is null or a text that ends with a zero.
unsafe fn place(name: *const c_char) -> Option<(Arc<Disk>, String)> {
    if name.is_null() {
        return None;
    }
    // SAFETY: by this function's own condition.
    let path = Path::new(unsafe { CStr::from_ptr(name) }.to_str().ok()?);
    Some((disk_of(path.parent()?)?, path.file_name()?.to_str()?.to_owned()))
}

unsafe extern "C" fn open(
    vfs: *mut sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives its own table, `register` kept the real one in it, a name that ends with a zero, and memory for a file
    // of ours with a real one behind it.
    unsafe {
        let real: *mut sqlite3_vfs = (*vfs).pAppData.cast();
        let open_real = (*real).xOpen.expect("every file system opens");
        let Some((disk, short)) = place(name) else { return open_real(real, name, file, flags, out_flags) };
        (*file).pMethods = ptr::null();
        if let Err(code) = disk.before(Kind::Open) {
            return code;
        }
        let before = if disk.knows(&short) {
            None
        } else {
            fs::read(Path::new(CStr::from_ptr(name).to_str().expect("a path"))).ok()
        };
        let inner = inner(file);
        (*inner).pMethods = ptr::null();
        let code = open_real(real, name, inner, flags, out_flags);
        if code == ffi::SQLITE_OK {
            let inode = disk.opened(&short, before);
            let ours: *mut File = file.cast();
            (*ours).handle = Box::into_raw(Box::new(Handle { disk, inode }));
            (*file).pMethods = &METHODS;
        }
        code
    }
}

unsafe extern "C" fn delete(vfs: *mut sqlite3_vfs, name: *const c_char, sync_dir: c_int) -> c_int {
    // SAFETY: as for `open`.
    unsafe {
        let real: *mut sqlite3_vfs = (*vfs).pAppData.cast();
        let delete_real = (*real).xDelete.expect("every file system deletes");
        let Some((disk, short)) = place(name) else { return delete_real(real, name, sync_dir) };
        if let Err(code) = disk.before(Kind::Delete) {
            return code;
        }
        // The disk alone knows what is synced: the real directory need not be.
        let code = delete_real(real, name, 0);
        if code == ffi::SQLITE_OK {
            disk.deleted(&short, sync_dir != 0);
        }
        code
    }
}

/// The real file behind one of ours.
///
/// # Safety
/// `file` points to memory of the size that `register` asked for.
unsafe fn inner(file: *mut sqlite3_file) -> *mut sqlite3_file {
    // SAFETY: by this function's own condition; the size of ours is a multiple of a pointer's.
    unsafe { file.byte_add(size_of::<File>()) }
}

/// The disk under a file and the file's number there.
///
/// # Safety
/// `file` was opened by `open` and is not closed.
unsafe fn handle<'f>(file: *mut sqlite3_file) -> &'f Handle {
    // SAFETY: by this function's own condition; only `close` frees it.
    unsafe { &*(*file.cast::<File>()).handle }
}

/// Calls a method of the real file behind one of ours, which is open.
macro_rules! real {
    ($file:expr, $method:ident $(, $argument:expr)*) => {{
        let file = inner($file);
        (*(*file).pMethods).$method.expect("the unix file system has every method")(file $(, $argument)*)
    }};
}

/// Gives up, as the disk says.
macro_rules! ask {
    ($file:expr, $kind:expr) => {
        if let Err(code) = handle($file).disk.before($kind) {
            return code;
        }
    };
}

// For all methods: SQLite calls them with a file that `open` opened, until it is closed, and with buffers of the size it gives.

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: see above; nothing uses the handle afterwards.
    unsafe {
        let code = real!(file, xClose);
        drop(Box::from_raw((*file.cast::<File>()).handle));
        (*file).pMethods = ptr::null();
        code
    }
}

unsafe extern "C" fn read(file: *mut sqlite3_file, to: *mut c_void, len: c_int, at: i64) -> c_int {
    // SAFETY: see above.
    unsafe {
        ask!(file, Kind::Read);
        real!(file, xRead, to, len, at)
    }
}

unsafe extern "C" fn write(file: *mut sqlite3_file, from: *const c_void, len: c_int, at: i64) -> c_int {
    // SAFETY: see above.
    unsafe {
        let Handle { disk, inode } = handle(file);
        let failed = disk.before(Kind::Write).err();
        // A write that fails may have come half of the way.
        let done = if failed.is_some() { len / 2 } else { len };
        let code = if done > 0 { real!(file, xWrite, from, done, at) } else { ffi::SQLITE_OK };
        if code == ffi::SQLITE_OK && done > 0 {
            disk.wrote(*inode, at as usize, std::slice::from_raw_parts(from.cast(), done as usize));
        }
        failed.unwrap_or(code)
    }
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, len: i64) -> c_int {
    // SAFETY: see above.
    unsafe {
        ask!(file, Kind::Truncate);
        let code = real!(file, xTruncate, len);
        if code == ffi::SQLITE_OK {
            let Handle { disk, inode } = handle(file);
            disk.truncated(*inode, len as usize);
        }
        code
    }
}

/// The real file is never synced: what would survive is the disk's to say.
unsafe extern "C" fn sync(file: *mut sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: see above.
    let Handle { disk, inode } = unsafe { handle(file) };
    match disk.before(Kind::Sync) {
        Ok(()) => {
            disk.synced(*inode);
            ffi::SQLITE_OK
        }
        Err(code) => {
            disk.sync_failed(*inode);
            code
        }
    }
}

unsafe extern "C" fn file_size(file: *mut sqlite3_file, size: *mut i64) -> c_int {
    // SAFETY: see above.
    unsafe {
        ask!(file, Kind::Size);
        real!(file, xFileSize, size)
    }
}

unsafe extern "C" fn lock(file: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: see above.
    unsafe {
        ask!(file, Kind::Lock);
        real!(file, xLock, level)
    }
}

unsafe extern "C" fn unlock(file: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: see above.
    unsafe { real!(file, xUnlock, level) }
}

unsafe extern "C" fn check_reserved_lock(file: *mut sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: see above.
    unsafe { real!(file, xCheckReservedLock, out) }
}

unsafe extern "C" fn file_control(file: *mut sqlite3_file, what: c_int, argument: *mut c_void) -> c_int {
    // SAFETY: see above.
    unsafe { real!(file, xFileControl, what, argument) }
}

unsafe extern "C" fn sector_size(file: *mut sqlite3_file) -> c_int {
    // SAFETY: see above.
    unsafe { real!(file, xSectorSize) }
}

unsafe extern "C" fn device_characteristics(file: *mut sqlite3_file) -> c_int {
    // SAFETY: see above.
    unsafe { real!(file, xDeviceCharacteristics) }
}

unsafe extern "C" fn shm_map(
    file: *mut sqlite3_file,
    region: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: see above.
    unsafe {
        ask!(file, Kind::Map);
        real!(file, xShmMap, region, size, extend, out)
    }
}

unsafe extern "C" fn shm_lock(file: *mut sqlite3_file, from: c_int, count: c_int, flags: c_int) -> c_int {
    // SAFETY: see above.
    unsafe { real!(file, xShmLock, from, count, flags) }
}

unsafe extern "C" fn shm_barrier(file: *mut sqlite3_file) {
    // SAFETY: see above.
    unsafe { real!(file, xShmBarrier) }
}

unsafe extern "C" fn shm_unmap(file: *mut sqlite3_file, delete: c_int) -> c_int {
    // SAFETY: see above.
    unsafe { real!(file, xShmUnmap, delete) }
}
